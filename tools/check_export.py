#!/usr/bin/env python3
"""Loads a model directory that nuri wrote in the `transformers` package and compares what both make of it.

    python3 -m venv venv && venv/bin/pip install torch transformers safetensors
    venv/bin/python tools/check_export.py MODEL

1. Weights: the package finds every tensor it needs and knows all others but those of the MTP module, which it ignores.
2. Logits of random tokens, computed by the package in FP32 (stored BF16 weights are widened), against the full logits of
   `nuri check` in both forms of MLA: max |a - b| <= 2e-5 max |b|.
3. Log-probabilities of `nuri score` against the package's, by the same bound.
4. Where there is a tokenizer: AutoTokenizer and PreTrainedTokenizerFast give the ids of `nuri tokenizer encode`, and
   apply_chat_template those of `nuri tokenizer chat`. tools/check_tokenizer.py tries harder texts.

Exit code 0: all hold; 1: something does not; 2: wrong usage or a package missing. Nothing of the product needs this script.
"""
import argparse, json, os, pathlib, subprocess, sys, tempfile

BOUND = 2e-5
TEXTS = ["데비안은 자유 소프트웨어입니다. The Debian project, 1993년 8월 16일.", "  두 칸  앞뒤 \n\n\tx = 12345;\r\n", "각 café 👩‍👧 <think>생각</think>", "<｜User｜>표식<｜Assistant｜>"]
CHATS = [
    [{"role": "user", "content": "12 더하기 7은?"}],
    [{"role": "system", "content": "Be kind."}, {"role": "user", "content": " 1+1?\n"}, {"role": "assistant", "content": "<think>\neasy\n</think>\n\n2"},
     {"role": "user", "content": "각 확실해?"}],
    [{"role": "system", "content": "A"}, {"role": "system", "content": "B"}, {"role": "user", "content": "날씨"}, {"role": "tool", "content": "{\"t\": 21}"},
     {"role": "tool", "content": "맑음"}, {"role": "assistant", "content": "21도, 맑음"}, {"role": "user", "content": "고마워"}],
    [{"role": "user", "content": "q"}, {"role": "tool", "content": "x"}],
]


class Report:
    def __init__(self):
        self.failed = 0

    def row(self, good, what, detail=""):
        self.failed += not good
        print(f"{'ok    ' if good else 'FAILED'}  {what}{': ' if detail else ''}{detail}", flush=True)


def run(*command):
    done = subprocess.run([str(c) for c in command], capture_output=True, text=True)
    if done.returncode not in (0, 1) or not done.stdout:
        sys.exit(f"{' '.join(map(str, command))}\nends with code {done.returncode}: {done.stderr.strip()}")
    return done.stdout


def load(directory, report):
    import torch
    from transformers import AutoModelForCausalLM
    model, info = AutoModelForCausalLM.from_pretrained(directory, dtype=torch.float32, attn_implementation="eager", experts_implementation="eager",
                                                       output_loading_info=True)
    problems = [f"{kind} {sorted(map(str, info[kind]))[:3]} ({len(info[kind])})" for kind in ("missing_keys", "mismatched_keys", "error_msgs") if info.get(kind)]
    mtp = f"model.layers.{model.config.num_hidden_layers}."
    strange = sorted(k for k in info["unexpected_keys"] if not k.startswith(mtp))
    if strange:
        problems.append(f"unexpected {strange[:3]} ({len(strange)})")
    report.row(not problems, f"{type(model).__name__} loads the weights", "; ".join(problems) or f"{len(list(model.parameters()))} parameters")
    return model.eval()


def compare_logits(a, model, report):
    """nuri check compares with outputs.safetensors beside the weights; here the package fills that file."""
    import torch
    from safetensors.torch import save_file
    generator = torch.Generator().manual_seed(a.seed)
    tokens = torch.randint(0, model.config.vocab_size, (a.rows, a.length + 1), generator=generator)
    with torch.no_grad():
        logits = model(input_ids=tokens[:, :-1]).logits.float()
    with tempfile.TemporaryDirectory() as scratch:
        for file in a.model.iterdir():
            if file.name == "config.json" or file.name.startswith("model") and ".safetensors" in file.name:
                os.symlink(file.resolve(), pathlib.Path(scratch, file.name))
        save_file({"tokens": tokens, "whole.logits": logits.contiguous()}, str(pathlib.Path(scratch, "outputs.safetensors")))
        result = json.loads(run(a.nuri, "check", scratch, "--json"))
    rows = [r for r in result.get("rows") or [] if r["what"].startswith("whole.logits,")]
    report.row(len(rows) == 2, "both forms of MLA are compared")
    for row in rows:
        error = float("inf") if row["measured"] is None else row["measured"]  # JSON has no infinity
        report.row(error <= BOUND, f"{a.rows} x {a.length} logits, {row['what'].split(', ')[1]}", f"largest difference {error:.2g} of the largest logit, allowed {BOUND:.0e}")
    scored = json.loads(run(a.nuri, "score", a.model, "--precision", "f32", "--json", "--tokens", ",".join(map(str, tokens[0].tolist()))))
    ours = torch.tensor([float.fromhex(h) for h in scored["hex"]], dtype=torch.float64)
    theirs = logits[0].double().log_softmax(-1).gather(1, tokens[0, 1:, None])[:, 0]
    error = ((ours - theirs).abs().max() / logits.abs().max()).item()
    report.row(error <= BOUND, f"{a.length} log-probabilities of nuri score", f"{error:.2g} of the largest logit, allowed {BOUND:.0e}")


def compare_tokenizer(a, report):
    from transformers import AutoTokenizer, PreTrainedTokenizerFast
    kinds = [("AutoTokenizer", AutoTokenizer.from_pretrained(a.model)), ("PreTrainedTokenizerFast", PreTrainedTokenizerFast.from_pretrained(a.model))]
    with tempfile.NamedTemporaryFile() as file:
        def ids(verb, data, *options):
            pathlib.Path(file.name).write_text(data, encoding="utf-8", newline="")
            return [int(i) for i in run(a.nuri, "tokenizer", verb, a.model, file.name, *options).split()]
        for name, tokenizer in kinds:
            wrong = [t for t in TEXTS if tokenizer.encode(t, add_special_tokens=False) != ids("encode", t)]
            report.row(not wrong, f"{name} ({type(tokenizer).__name__}): ids of {len(TEXTS)} texts", f"another result for {wrong[0]!r}" if wrong else "")
            wrong = [f"{chat!r}, {'open' if answer else 'closed'}" for chat in CHATS for answer in (True, False)
                     if tokenizer.apply_chat_template(chat, add_generation_prompt=answer, return_dict=False)
                     != ids("chat", json.dumps(chat), *([] if answer else ["--closed"]))]
            report.row(not wrong, f"{name}: ids of {len(CHATS)} chats", f"another result for {wrong[0]}" if wrong else "")
            special = {k: getattr(tokenizer, k) for k in ("bos_token", "eos_token", "pad_token")}
            report.row(all(special.values()), f"{name}: special tokens", str(special))
        config = json.loads((a.model / "config.json").read_text())
        for key, want in (("bos_token_id", kinds[0][1].bos_token_id), ("eos_token_id", kinds[0][1].eos_token_id)):
            if config.get(key) is not None:
                report.row(config[key] == want, f"config.json: {key} is the tokenizer's", f"{config[key]} and {want}")


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("model", type=pathlib.Path, help="directory with config.json and *.safetensors")
    p.add_argument("--nuri", default="build/nuri", help="the program (default build/nuri)")
    p.add_argument("--rows", type=int, default=2, help="sequences (default 2)")
    p.add_argument("--length", type=int, default=96, help="tokens of each (default 96)")
    p.add_argument("--seed", type=int, default=1, help="of the random tokens (default 1)")
    a = p.parse_args()
    if not os.access(a.nuri, os.X_OK):
        p.error(f"{a.nuri} is no program; build it with ./run build, or name it with --nuri")
    if not (a.model / "config.json").exists():
        p.error(f"{a.model} holds no config.json; name a model directory, such as --out of nuri train")
    os.environ["HF_HUB_OFFLINE"] = "1"
    try:
        import safetensors, torch, transformers
    except ImportError as error:
        p.error(f"{error}: pip install torch transformers safetensors")
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    print(f"transformers {transformers.__version__}, torch {torch.__version__}, {a.model}")
    report = Report()
    compare_logits(a, load(a.model, report), report)
    if (a.model / "tokenizer.json").exists():
        compare_tokenizer(a, report)
    else:
        print("absent  tokenizer.json: no ids to compare")
    print("all within bounds" if not report.failed else f"{report.failed} of the rows FAILED")
    return 1 if report.failed else 0


if __name__ == "__main__":
    sys.exit(main())
