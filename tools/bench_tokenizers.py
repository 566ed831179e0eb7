#!/usr/bin/env python3
"""The tokenizers package on the work of `nuri bench text`: trains byte-level BPE with the splits of DeepSeek-V3 on all
documents, then encodes all documents of each source, on one thread and in batches on all. Run by
tools/bench_tokenizers.sh; prints one JSON object.

    python3 bench_tokenizers.py VOCAB_SIZE DOCUMENTS.jsonl

DOCUMENTS.jsonl is what `nuri bench text --documents-out` wrote: the documents that nuri trains on and encodes, as rows of
"source" and "text". Threads: RAYON_NUM_THREADS.
"""
import json, sys, time

try:
    import tokenizers
    from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers
except ImportError as error:
    sys.exit(f"{error}: pip install tokenizers")

BATCH = 256  # documents whose encodings are in memory at once

WORDS = (r"[!\"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+"
         r"| ?[\p{P}\p{S}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+")


def megabytes(texts):
    return sum(len(t.encode()) for t in texts) / 1e6


def timed(call):
    begin = time.perf_counter()
    result = call()
    return result, time.perf_counter() - begin


def main():
    vocab_size, sources = int(sys.argv[1]), {}
    with open(sys.argv[2], encoding="utf-8", newline="\n") as lines:
        for row in map(json.loads, lines):
            sources.setdefault(row["source"], []).append(row["text"])
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
        size = megabytes(source)
        tokens, one = timed(lambda: sum(len(tokenizer.encode(t).ids) for t in source))
        batches = [source[i:i + BATCH] for i in range(0, len(source), BATCH)]
        _, threads = timed(lambda: sum(len(e.ids) for batch in batches for e in tokenizer.encode_batch(batch)))
        out["sources"].append({"name": name, "megabytes": size, "documents": len(source), "tokens": tokens,
                               "encode_mb_per_s": size / one, "encode_threads_mb_per_s": size / threads})
    print(json.dumps(out))


if __name__ == "__main__":
    main()
