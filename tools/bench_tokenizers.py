#!/usr/bin/env python3
"""The tokenizers package on the work of `nuri bench text`: trains byte-level BPE with the splits of DeepSeek-V3 on all
texts, then encodes every eighth document of each source (it takes minutes for what nuri does in seconds), on one thread
and in batches. Run by tools/bench_tokenizers.sh; prints one JSON object.

    python3 bench_tokenizers.py VOCAB_SIZE SOURCE=TEXT...

TEXT are .txt or .jsonl files (field "text"), also as .zst. Threads: RAYON_NUM_THREADS.
"""
import io, json, sys, time

try:
    import tokenizers, zstandard
    from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers
except ImportError as error:
    sys.exit(f"{error}: pip install tokenizers zstandard")

WORDS = (r"[!\"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+"
         r"| ?[\p{P}\p{S}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+")


def documents(path):
    raw = open(path, "rb")
    if path.endswith(".zst"):
        raw = zstandard.ZstdDecompressor().stream_reader(raw)
    lines = io.TextIOWrapper(raw, encoding="utf-8", newline="\n")
    if ".jsonl" not in path:
        return [lines.read()]
    return [json.loads(line)["text"] for line in lines if line.strip()]


def megabytes(texts):
    return sum(len(t.encode()) for t in texts) / 1e6


def timed(call):
    begin = time.perf_counter()
    result = call()
    return result, time.perf_counter() - begin


def main():
    vocab_size, sources = int(sys.argv[1]), {}
    for argument in sys.argv[2:]:
        name, _, path = argument.partition("=")
        sources.setdefault(name, []).extend(documents(path))
    texts = [t for source in sources.values() for t in source]
    tokenizer = Tokenizer(models.BPE())
    split = lambda pattern: pre_tokenizers.Split(Regex(pattern), "isolated")
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([
        split(r"\p{N}{1,3}"), split("[一-龥぀-ゟ゠-ヿ]+"), split(WORDS), pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(vocab_size=vocab_size, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False)
    _, seconds = timed(lambda: tokenizer.train_from_iterator(texts, trainer))
    out = {"package": f"tokenizers {tokenizers.__version__}", "train_seconds": seconds, "train_mb_per_s": megabytes(texts) / seconds, "sources": []}
    for name, source in sources.items():
        part = source[::8]
        size = megabytes(part)
        tokens, one = timed(lambda: sum(len(tokenizer.encode(t).ids) for t in part))
        _, batch = timed(lambda: tokenizer.encode_batch(part))
        out["sources"].append({"name": name, "megabytes": size, "tokens": tokens, "encode_mb_per_s": size / one,
                               "encode_threads_mb_per_s": size / batch})
    print(json.dumps(out))


if __name__ == "__main__":
    main()
