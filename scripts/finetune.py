#!/usr/bin/env python3
"""Fine-tune a small local model on a training set of `agora distil export`: TRL, LoRA.

    pip install '.[finetune]'                  # torch, transformers, trl, peft, datasets: 6 GB
    python scripts/finetune.py FOLDER --base Qwen/Qwen3-0.6B --ollama-base qwen3:0.6b --out tuned
    ollama create mine:1 -f tuned/Modelfile
    agora distil join mine:1 --beside qwen3:8b  # it bids once it has won

`--smoke` needs no download: it makes a tiny model with random weights, trains it for a few steps,
and writes the same files. With `--reasoning` the teacher's thoughts are part of what is learned.
"""

import argparse
import json
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

from agora.domain.modelfiles import modelfile  # noqa: E402

TEMPLATE = (
    "{% for one in messages %}<|{{ one['role'] }}|>{{ one['content'] }}<|end|>{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>{% endif %}"
)
MARKS = ["<|system|>", "<|user|>", "<|assistant|>", "<|end|>", "<|pad|>", "<|unknown|>"]
TARGETS = ["q_proj", "k_proj", "v_proj", "o_proj"]


def conversations(path: Path, reasoning: bool) -> list[dict[str, Any]]:
    """Return the conversations of a file, with or without the teacher's thoughts."""
    lines = path.read_text("utf-8").splitlines()
    return [{"messages": _turns(json.loads(line)["messages"], reasoning)} for line in lines]


def _turns(messages: list[dict[str, str]], reasoning: bool) -> list[dict[str, str]]:
    turns = [{"role": one["role"], "content": one["content"]} for one in messages]
    if reasoning and (thought := messages[-1].get("reasoning_content")):
        turns[-1]["content"] = f"<think>\n{thought}\n</think>\n\n{turns[-1]['content']}"
    return turns


def tiny(texts: list[str]) -> tuple[Any, Any]:
    """Return a Llama of 0.1 M random weights, and a tokenizer made from these texts."""
    from tokenizers import Tokenizer, models, pre_tokenizers, trainers
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    words = Tokenizer(models.BPE(unk_token="<|unknown|>"))
    words.pre_tokenizer = pre_tokenizers.Whitespace()
    words.train_from_iterator(texts, trainers.BpeTrainer(vocab_size=500, special_tokens=MARKS))
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=words,
        pad_token="<|pad|>",
        eos_token="<|end|>",
        unk_token="<|unknown|>",
        additional_special_tokens=MARKS[:3],
        chat_template=TEMPLATE,
    )
    shape = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2}
    config = LlamaConfig(vocab_size=len(tokenizer), num_attention_heads=4, **shape)
    return LlamaForCausalLM(config), tokenizer


def loaded(base: str) -> tuple[Any, Any]:
    """Return a model and its tokenizer, from a folder or the hub."""
    from transformers import AutoModelForCausalLM, AutoTokenizer

    return AutoModelForCausalLM.from_pretrained(base), AutoTokenizer.from_pretrained(base)


def train(given: argparse.Namespace) -> dict[str, Any]:
    """Train an adapter, write it with a Modelfile, and return how the loss went."""
    from datasets import Dataset
    from peft import LoraConfig
    from trl import SFTConfig, SFTTrainer

    taught = conversations(given.folder / "train.jsonl", given.reasoning)
    held = conversations(given.folder / "validation.jsonl", given.reasoning)
    texts = [turn["content"] for one in taught for turn in one["messages"]]
    model, tokenizer = tiny(texts) if given.smoke else loaded(given.base)
    config = SFTConfig(
        output_dir=str(given.out / "steps"),
        max_steps=given.steps,
        num_train_epochs=given.epochs,
        learning_rate=given.rate,
        per_device_train_batch_size=given.batch,
        max_length=given.context,
        logging_steps=1,
        save_strategy="no",
        report_to=[],
        seed=given.seed,
        bf16=False,
        fp16=False,
    )
    trainer = SFTTrainer(
        model=model,
        args=config,
        train_dataset=Dataset.from_list(taught),
        eval_dataset=Dataset.from_list(held) if held else None,
        processing_class=tokenizer,
        peft_config=LoraConfig(r=16, lora_alpha=32, target_modules=TARGETS, task_type="CAUSAL_LM"),
    )
    trainer.train()
    trainer.save_model(str(given.out / "adapter"))
    text = modelfile(given.ollama_base or given.base, "./adapter", context=given.context)
    (given.out / "Modelfile").write_text(text, "utf-8")
    losses = [one["loss"] for one in trainer.state.log_history if "loss" in one]
    told = {"steps": trainer.state.global_step, "first_loss": losses[0], "last_loss": losses[-1]}
    return told | {"examples": len(taught), "out": str(given.out)}


def main() -> int:
    """Read the arguments, train, and print one JSON object."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("folder", type=Path, help="what `agora distil export` has written")
    parser.add_argument("--base", default="", help="a folder, or a name on the hub")
    parser.add_argument("--ollama-base", default="", help="the same model, as Ollama calls it")
    parser.add_argument("--out", type=Path, default=Path("tuned"))
    parser.add_argument("--steps", type=int, default=-1, help="-1: as the epochs need")
    parser.add_argument("--epochs", type=float, default=2.0)
    parser.add_argument("--rate", type=float, default=2e-4)
    parser.add_argument("--batch", type=int, default=4)
    parser.add_argument("--context", type=int, default=2048, help="tokens of one conversation")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--reasoning", action="store_true")
    parser.add_argument("--smoke", action="store_true")
    given = parser.parse_args()
    if given.smoke:
        given.base, given.context = given.base or "tiny", min(given.context, 256)
    if not given.base:
        parser.error("--base names the model to train, or --smoke makes a tiny one")
    try:
        sys.stdout.write(json.dumps(train(given)) + "\n")
    except ImportError as error:
        sys.stderr.write(f"{error}: pip install '.[finetune]'\n")
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
