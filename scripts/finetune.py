#!/usr/bin/env python3
"""Fine-tune a small local model on a training set of `agora distil export`: TRL, LoRA.

    pip install '.[finetune]'                  # torch, transformers, trl, peft, datasets
    python scripts/finetune.py FOLDER --out tuned \\
        --base HuggingFaceTB/SmolLM2-1.7B-Instruct --ollama-base smollm2:1.7b
    ollama create mine:1 -f tuned/Modelfile
    agora distil join mine:1 --beside qwen3:8b  # it bids once it has won

Only answers are learned: the loss of prompts and questions does not count. With `--reasoning` the
teacher's thoughts are part of the answer. Prints one JSON object; how it goes is told on the
standard error. `--smoke` needs no download: it makes a tiny model with random weights, trains it
for a few steps, and writes the same files.
"""

import argparse
import json
import os
import sys
import warnings
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

from agora.domain.errors import UsageError  # noqa: E402
from agora.domain.modelfiles import modelfile  # noqa: E402

TEMPLATE = (
    "{% for one in messages %}<|{{ one['role'] }}|>{{ one['content'] }}<|end|>{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>{% endif %}"
)
MARKS = ["<|system|>", "<|user|>", "<|assistant|>", "<|end|>", "<|pad|>", "<|unknown|>"]
TARGETS = ["q_proj", "k_proj", "v_proj", "o_proj"]
# Ollama converts adapters of these, and of Gemma 2, whose template knows no system prompt:
# https://github.com/ollama/ollama/blob/main/docs/import.mdx
ADAPTABLE = ("llama", "mistral")

Conversation = dict[str, list[dict[str, str]]]


def conversations(path: Path, reasoning: bool) -> list[Conversation]:
    """Return what was asked and what is to be answered, with or without the teacher's thoughts.

    Raises UsageError for a file that is not there, or is no training set.
    """
    found = []
    try:
        with path.open(encoding="utf-8") as lines:
            for line in lines:
                found.append(_conversation(json.loads(line)["messages"], reasoning))
    except OSError as error:
        hint = "`agora distil export FOLDER` writes a training set"
        raise UsageError(f"{path}: cannot be read ({error.strerror})", hint) from None
    except (ValueError, LookupError, TypeError, AttributeError):
        hint = "`agora distil check FOLDER` tells what is wrong"
        raise UsageError(f"{path}:{len(found) + 1}: is no conversation", hint) from None
    return found


def _conversation(messages: list[dict[str, str]], reasoning: bool) -> Conversation:
    *asked, said = [{"role": one["role"], "content": one["content"].strip()} for one in messages]
    if said["role"] != "assistant" or not asked:
        raise ValueError
    if reasoning and (thought := messages[-1].get("reasoning_content")):
        said["content"] = f"<think>\n{thought.strip()}\n</think>\n\n{said['content']}"
    return {"prompt": asked, "completion": [said]}


def tiny(taught: list[Conversation], seed: int) -> tuple[Any, Any]:
    """Return a Llama of 0.1 M random weights, and a tokenizer made from these conversations."""
    import torch
    from tokenizers import Tokenizer, models, pre_tokenizers, trainers
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast, set_seed

    texts = [turn["content"] for one in taught for turn in one["prompt"] + one["completion"]]
    words = Tokenizer(models.BPE(unk_token="<|unknown|>"))
    words.pre_tokenizer = pre_tokenizers.Whitespace()
    trainer = trainers.BpeTrainer(vocab_size=500, special_tokens=MARKS, show_progress=False)
    words.train_from_iterator(texts, trainer)
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
    set_seed(seed)
    torch.set_num_threads(1)  # so small a model would only wait for them
    return LlamaForCausalLM(config), tokenizer


def loaded(base: str) -> tuple[Any, Any]:
    """Return a model and its tokenizer, from a folder or the hub.

    Raises UsageError where there is none, or none whose adapter Ollama could serve.
    """
    from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer

    try:
        kind = AutoConfig.from_pretrained(base).model_type
        if kind not in ADAPTABLE:
            hint = f"a base of the family {' or '.join(ADAPTABLE)}"
            raise UsageError(f"{base}: Ollama takes no adapter of a {kind} model", hint)
        return AutoModelForCausalLM.from_pretrained(base), AutoTokenizer.from_pretrained(base)
    except (OSError, ValueError) as error:
        (reason, *_) = str(error).splitlines()
        raise UsageError(f"{base}: cannot be loaded ({reason})") from None


def train(given: argparse.Namespace) -> dict[str, Any]:
    """Train an adapter, write it with a Modelfile, and return how the loss went.

    Raises UsageError for what cannot be used as it is, before anything is trained.
    """
    taught = conversations(given.folder / "train.jsonl", given.reasoning)
    held = conversations(given.folder / "validation.jsonl", given.reasoning)
    try:
        served = modelfile(given.ollama_base, "./adapter", context=given.context)
        given.out.mkdir(parents=True, exist_ok=True)
    except ValueError as error:
        hint = "--ollama-base takes a name as `ollama list` shows it"
        raise UsageError(str(error), hint) from None
    except OSError as error:
        raise UsageError(f"{given.out}: cannot be written ({error.strerror})") from None
    told = _train(given, taught, held)
    (given.out / "Modelfile").write_text(served, "utf-8")
    return told


def _train(
    given: argparse.Namespace, taught: list[Conversation], held: list[Conversation]
) -> dict[str, Any]:
    model, tokenizer = tiny(taught, given.seed) if given.smoke else loaded(given.base)

    import torch
    from datasets import Dataset
    from peft import LoraConfig
    from trl import SFTConfig, SFTTrainer

    def fits(one: Conversation) -> bool:
        tokens = tokenizer.apply_chat_template(one["prompt"] + one["completion"])["input_ids"]
        return len(tokens) <= given.context

    # The end of an answer that is cut off would never be learned.
    train_set, eval_set = [one for one in taught if fits(one)], [one for one in held if fits(one)]
    if not train_set:
        hint = "--context raises the limit"
        raise UsageError(f"none of {len(taught)} conversations is short enough", hint)
    config = SFTConfig(
        output_dir=str(given.out / "adapter"),
        max_steps=given.steps,
        num_train_epochs=given.epochs,
        learning_rate=given.rate,
        per_device_train_batch_size=given.batch,
        max_length=given.context,
        completion_only_loss=True,
        logging_first_step=True,
        logging_steps=0.02,  # of all
        dataloader_pin_memory=torch.accelerator.is_available(),
        save_strategy="no",
        report_to=[],
        seed=given.seed,
        bf16=False,
        fp16=False,
    )
    trainer = SFTTrainer(
        model=model,
        args=config,
        train_dataset=Dataset.from_list(train_set),
        eval_dataset=Dataset.from_list(eval_set) if eval_set else None,
        processing_class=tokenizer,
        peft_config=LoraConfig(r=16, lora_alpha=32, target_modules=TARGETS, task_type="CAUSAL_LM"),
    )
    trainer.train()
    trainer.save_model()
    held_out = trainer.evaluate() if eval_set else {}
    losses = [one["loss"] for one in trainer.state.log_history if "loss" in one]
    return {
        "steps": trainer.state.global_step,
        "first_loss": losses[0],
        "last_loss": losses[-1],
        "validation_loss": held_out.get("eval_loss"),
        "validation_accuracy": held_out.get("eval_mean_token_accuracy"),
        "examples": len(train_set),
        "too_long": len(taught) + len(held) - len(train_set) - len(eval_set),
        "out": str(given.out),
    }


def arguments() -> argparse.Namespace:
    """Return what was asked for; ends with exit code 2 where it makes no sense."""
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
        given.ollama_base = given.ollama_base or "tiny"
    elif not given.base or not given.ollama_base:
        parser.error("--base and --ollama-base name a model to train, or --smoke makes a tiny one")
    return given


def main() -> int:
    """Train as asked, and print one JSON object."""
    given = arguments()
    warnings.simplefilter("ignore", FutureWarning)  # of the libraries, about each other
    if not sys.stderr.isatty():
        os.environ["TQDM_DISABLE"] = "1"
    try:
        with redirect_stdout(sys.stderr):
            told = train(given)
    except ImportError as error:
        print(f"fine-tuning lacks a package ({error}); pip install '.[finetune]'", file=sys.stderr)
        return UsageError.exit_code
    except UsageError as error:
        print(f"{error}; {error.hint}" if error.hint else error, file=sys.stderr)
        return error.exit_code
    print(json.dumps(told))
    return 0


if __name__ == "__main__":
    sys.exit(main())
