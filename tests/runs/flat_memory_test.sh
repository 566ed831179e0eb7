#!/usr/bin/env bash
# Text far larger than the memory allowed: training of a tokenizer and building of shards finish within a limit of which
# the corpus is ten times as large, and give what they give without a limit. tools/flat_memory.sh does it at full size.
# shellcheck source=tests/runs/common.sh
source "$(dirname "$0")/common.sh"
[ "$(nm "$nuri" 2>/dev/null | grep -c __asan_init)" -gt 0 ] && { echo "SKIPPED: the sanitizer keeps freed memory"; exit 77; }

limit=56 # MiB; some 30 go to code, tables and the batch that is worked on
# Lines of words that go on being new, one line that comes again and again, and a document that came before now and then.
LC_ALL=C awk -v left=$((limit << 20)) '
  function word(n,  w) { for (w = ""; n > 0; n = int(n / 26)) w = w sprintf("%c", 97 + n % 26); return w }
  BEGIN {
    for (i = 0; i < 3000; ++i) vocabulary[i] = (i % 3 ? "e" : "\xEA\xB0\x80\xEB\x82\x98") word(i * 37 + 5)
    line = "the line that stands in every document, as a licence does, and is dropped after the first time"
    for (d = 0; left > 0; ++d) {
      text = line "\\n"
      for (k = 0; k < 12; ++k) {
        for (i = 0; i < 90; ++i) text = text vocabulary[(d * 31 + k * 17 + i * i) % 3000] " "
        text = text "X" word(d * 12 + k + 1) "\\n"
      }
      row = "{\"text\": \"" text "\"}"
      print row
      left -= length(row)
      if (d % 50 == 0) { print row; left -= length(row) }
    }
  }' >"$work/part.jsonl"
for copy in {a..j}; do LC_ALL=C sed "s/X/x${copy}x/g" "$work/part.jsonl"; done >"$work/corpus.jsonl"
rm "$work/part.jsonl"
text_mib=$(($(stat -c %s "$work/corpus.jsonl") >> 20))
[ $text_mib -ge $((limit * 10)) ] || fail "the corpus has $text_mib MiB"

(
  ulimit -s 1024 # stacks of threads count as data
  ulimit -d $((limit << 10))
  export NURI_THREADS=2
  "$nuri" tokenizer train "$work/corpus.jsonl" --vocab-size 1000 --memory 16M --out "$work/tokenizer" &&
    "$nuri" data build "$work/corpus.jsonl" --tokenizer "$work/tokenizer" --memory 2M --out "$work/data"
) >"$work/out" 2>"$work/err" || fail "with $limit MiB: $(tail -n 3 "$work/err")"
hash_of() { grep -o 'manifest hash [0-9a-f]*' "$1"; }
few=$(hash_of "$work/out")
NURI_THREADS=1 "$nuri" data build "$work/corpus.jsonl" --tokenizer "$work/tokenizer" --out "$work/data" --overwrite >"$work/out" 2>&1 ||
  fail "without a limit: $(tail -n 3 "$work/out")"
[ "$few" = "$(hash_of "$work/out")" ] || fail "shards depend on the memory: $few, $(hash_of "$work/out")"

# What a single row or line can do: none of them takes more than ten times its own length.
mkdir "$work/hostile"
mib=1048576
repeat() { head -c "$2" < <(yes "$1" | tr -d '\n'); } # repeat WORD BYTES
{
  printf '{"text": "' && repeat 'a long document \uD55C\uAE00, ' 24000000 && printf '"}\n{"text": "a", "x": ' && repeat '[' $((24 * mib)) && printf '\n'
  printf '{"text": "b", "x": [' && repeat '1,' $((24 * mib)) && printf '1]}\n{"text": "' && repeat 'word' $((24 * mib)) && printf '"}\n' && repeat $'\xff' $((24 * mib))
  printf '\n{"text": "the last row"}\n'
} >"$work/hostile/rows.jsonl"
{ repeat $'\x01\xfe' $((24 * mib)) && printf '\n' && repeat 'line ' $((72 * mib)) && printf '\n\nthe last line\n'; } >"$work/hostile/lines.txt"
(ulimit -s 1024 && ulimit -d $((288 << 10)) && exec "$nuri" --threads 2 data build "$work/hostile" --validation 0 --memory 2M --tokenizer "$work/tokenizer" \
  --out "$work/hostile_data") >"$work/out" 2>"$work/err" || fail "hostile rows: $(tail -n 3 "$work/err")"
grep -qE '^hostile +9 +3 +0 +[0-9]+ +0 +0 +6$' "$work/out" || fail "hostile rows: $(cat "$work/out") $(cut -c1-300 "$work/hostile_data/rejected.jsonl")"

# Too little is an error that says so.
code=0
(ulimit -d 12288 && NURI_THREADS=1 exec "$nuri" data build "$work/corpus.jsonl" --tokenizer "$work/tokenizer" --out "$work/data2") >"$work/out" 2>&1 || code=$?
[ $code -eq 2 ] && grep -q 'no memory is left; allow' "$work/out" || fail "12 MiB: exit code $code, $(cat "$work/out")"
echo "$text_mib MiB of text within $limit MiB; the shards are those of a run without a limit"
