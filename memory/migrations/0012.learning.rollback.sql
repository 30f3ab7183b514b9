DROP TABLE rewrites, beside, judgements, works, prompt_moves, channels, prompts;
