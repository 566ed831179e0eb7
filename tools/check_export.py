#!/usr/bin/env python3
"""Loads a model directory that nuri wrote in the transformers package and compares the logits (FP32).

    python tools/check_export.py build/nuri MODEL

Needs torch and transformers; nothing of the product needs this script. Exit code 1 when the largest difference is over
2e-5 of the largest logit. The log-probabilities of `nuri score` stand for the logits: both go through log-softmax.
"""
import json, subprocess, sys
import torch
from transformers import AutoModelForCausalLM

nuri, directory = sys.argv[1:3]
config = json.load(open(f"{directory}/config.json"))
generator = torch.Generator().manual_seed(1)
ids = torch.randint(0, config["vocab_size"], (1, 40), generator=generator)
model = AutoModelForCausalLM.from_pretrained(directory, dtype=torch.float32, attn_implementation="eager",
                                             experts_implementation="eager").eval()
with torch.no_grad():
    logits = model(input_ids=ids[:, :-1]).logits.double()[0]
theirs = logits.log_softmax(-1).gather(1, ids[0, 1:, None])[:, 0]
command = [nuri, "score", directory, "--precision", "f32", "--json", "--tokens", ",".join(map(str, ids[0].tolist()))]
ours = torch.tensor([float.fromhex(h) for h in json.loads(subprocess.check_output(command))["hex"]], dtype=torch.float64)
error = ((ours - theirs).abs().max() / logits.abs().max()).item()
print(json.dumps({"model": directory, "largest_relative_difference": error, "bound": 2e-5, "passed": error <= 2e-5}))
sys.exit(error > 2e-5)
