#!/usr/bin/env python3
"""Compares nuri with the `tokenizers` package on one tokenizer: identical ids, decode gives the normalised text back.

    python3 -m venv venv && venv/bin/pip install tokenizers zstandard
    venv/bin/python tools/check_tokenizer.py TOKENIZER [TEXT...]

TOKENIZER is a directory with tokenizer.json, or such a file, also as .zst. TEXT are .txt, .md or .jsonl files (field
"text"), also as .zst, or directories of them. Always compared, without any TEXT: hard strings (NFD Hangul, emoji joined
by ZWJ, runs of digits, mixed scripts, controls, all kinds of blanks and line ends, very long words, added tokens inside
text), seeded random strings, and bytes that are not UTF-8, which nuri has to refuse. --characters adds every assigned
character between letters, blanks, digits and marks. --whole-characters also asks that no token of the vocabulary reaches
into part of a character (true for what `nuri tokenizer train` learns, not for published files).

Exit code 0: identical; 1: something differs (the first differences are printed); 2: wrong usage or a package missing; 3: nuri or the package
refuses the file (its message is printed). Nothing of the product needs this script.
"""
import argparse, io, itertools, json, os, pathlib, random, subprocess, sys, tempfile, unicodedata
from concurrent.futures import ThreadPoolExecutor

REFUSED = 3
CHUNK = 1 << 20  # characters of documents encoded at once

HARD = {
    "empty": "", "blank": " ", "blanks at both ends": "   두 칸  앞뒤 two  ", "only blanks": " " * 70,
    "NFD Hangul": unicodedata.normalize("NFD", "대한민국 헌법 제1조, 값싼 닭볶음탕을 읽다"),
    "NFD Latin": unicodedata.normalize("NFD", "Ångström naïve café Việt Nam"),
    "Hangul jamo": "ㅋㅋㅋ ㅠㅠ ᄀᆞᆯ ᄒᆞᆫ글 \u115f\u1160 \u11a8\u1100\u1161\u11a8", "old Hangul": "나랏말ᄊᆞ미 듕귁에 달아",
    "composition exclusions": "\u0958 \u2126 \u212b \ufb1d \u0344 \u1fef \uf900 \u2adc",
    "order of marks": "a\u0315\u0300\u05ae\u0301 q\u0323\u0307 q\u0307\u0323 \u0301alone",
    "emoji ZWJ": "👨‍👩‍👧‍👦 🏳️‍🌈 👩🏽‍🚀 🇰🇷🇺🇸 1️⃣ ❤️‍🔥😀😀", "variation selectors": "葛\U000e0100 葛\ufe00 ☺\ufe0e☺\ufe0f",
    "digits": "1 12 123 1234 12345 123456 1234567890123 3.14159 1,000,000원 ２０２４ ٣٤٥ ४५६ ⅷ½²₃ ①②③ 〇一二三 1a2b3",
    "mixed scripts": "한국어English日本語中文العربيةไทยहिन्दीРусскийελληνικά한國語ひらがなカタカナｶﾀｶﾅ々〆ヶー龥龦鿿㐀𠀀",
    "controls": "".join(map(chr, range(1, 32))) + "\x7f\x80\x85\x9f a\x00b\x00\x00c", "formats": "a\u200bb\u200cc\u200dd\u2060e\ufefff\u00adg",
    "blanks of all kinds": "".join("a" + chr(c) for c in (9, 11, 12, 0x20, 0x85, 0xa0, 0x1680, 0x180e, *range(0x2000, 0x200c), 0x2028, 0x2029, 0x202f, 0x205f, 0x3000, 0xfeff)) + "z",
    "line ends": "a\nb\r\nc\rd\n\re\u2028f\u2029g\x85h\x0bi\x0cj\n\n\n\r\r\n\n \n  \n\t\nk \n", "line ends only": "\n\n\r\n\r\n\n", "blanks and line ends": " \n \n\n  \r\n \t x  \n",
    "punctuation": "!!!??? ...\n\n---\n=== (a)[b]{c} \"d\" 'e' `f` #g $h %i &j *k +l ,m -n .o /p :q ;r <s =t >u ?v @w \\x ^y _z |a ~b _under_score_ __init__",
    "contractions": "I'm you're he'll DON'T it'ſ IT'S we’ve 'tis 'ſ 'K", "code": "for (int i = 0; i < n; ++i) {\n\tx[i] += 0x1F;  // 주석\n}\n\n\n    return x;\n",
    "symbols": "∑∫√≤≥≠±×÷€₩￦¥™©®°†‡•…‰′″※☆★♠♥→⇒∀∃∈⊂∪∩", "private and unassigned": "\ue000\uf8ff \U000f0000 \U0010ffff \ufffe\uffff \u0378 \U000e0001",
    "replacement": "a\ufffdb\ufffd\ufffd", "specials without being special": "<|endoftext <｜User <｜User｜ think> < think > </think <<think>>",
    "literal escapes": r"\ud83d \ude00 \u0000 \x00 \n \\ %F0%9F &#xD800;", "case folding": "ſtraße İı K Å ǅ ﬁ ß ẞ",
    "long word": "a" * 20000, "long Hangul word": "가나다라마바사" * 2000, "long digits": "1234567890" * 1000, "long punctuation": "-=" * 5000,
    "long blanks": "x" + " " * 5000 + "y" + "\t" * 3000 + "z" + "\n" * 3000, "long marks": "e" + "\u0301" * 3000, "long emoji": "👨‍👩‍👧‍👦" * 500,
}
NOT_UTF8 = {"lone surrogate": b"a\xed\xa0\x80b", "surrogate pair": b"\xed\xa0\xbd\xed\xb8\x80", "overlong": b"\xc0\xaf", "cut character": b"abc\xea\xb0",
            "lone tail": b"\x80", "beyond Unicode": b"\xf4\x90\x80\x80", "CP949": "한글".encode("cp949"), "UTF-16": "한글".encode("utf-16")}
POOL = ("a b c Z z 0 1 2 9 ９ ٣ ² ½ Ⅷ ' . , ! - _ ( ) < > | \\ / \" ’ “ 。 、 ！ ・ ー 々 한 글 값 ᄀ ᅡ ᆨ ᆯ ㅋ ㅠ 日 本 龥 龦 あ ア ｱ é e ́ ̈ ̣ ſ ß İ я Ω א ع ّ न ् ि ท ี ่ 😀 👩 🏽 ‍ ️ 🇰 € ∑ "
        "™ ⅓").split() + list(" \t\n\r\x0b\x0c\x00\x01\x7f\x85\xa0\xad\u200b\u2028\u2029\u3000\ufeff\ufffd\ue000\u0378\U00010000\U00020000") + ["  ", "\r\n", "'s", "'LL", "the", " the", "을", "니다"]


def documents(paths):
    for path in paths:
        if path.is_dir():
            yield from documents(sorted(p for p in path.rglob("*") if p.is_file()))
            continue
        stem = path.name.removesuffix(".zst")
        if not stem.endswith((".txt", ".md", ".jsonl")):
            continue
        raw = open(path, "rb")
        if path.name.endswith(".zst"):
            import zstandard
            raw = zstandard.ZstdDecompressor().stream_reader(raw)
        lines = io.TextIOWrapper(raw, encoding="utf-8", newline="")
        if not stem.endswith(".jsonl"):
            yield path.name, lines.read()
            continue
        for number, line in enumerate(lines, 1):
            if line.strip():
                yield f"{path.name} from line {number}", json.loads(line)["text"]


def chunks(paths):
    """Documents of one file joined by blank lines, up to CHUNK characters: fewer processes, the same pieces."""
    for _, group in itertools.groupby(documents(paths), key=lambda d: d[0].split(" ")[0]):
        name, parts, size = None, [], 0
        for label, text in group:
            name = name or label
            parts.append(text)
            size += len(text)
            if size >= CHUNK:
                yield name, "\n\n".join(parts)
                name, parts, size = None, [], 0
        if parts:
            yield name, "\n\n".join(parts)


class Comparison:
    def __init__(self, nuri, directory, package):
        self.nuri, self.directory, self.package = nuri, directory, package
        self.added = {t.content for t in package.get_added_tokens_decoder().values()}
        self.texts = self.bytes = self.ids = 0
        self.wrong = []

    def run_nuri(self, verb, data):
        with tempfile.NamedTemporaryFile(suffix=".txt") as file:
            file.write(data)
            file.flush()
            return subprocess.run([self.nuri, "tokenizer", verb, self.directory, file.name], capture_output=True)

    def compare(self, item):
        """One text; returns (bytes, ids, complaint or None)."""
        name, text = item
        data = text.encode()
        theirs = self.package.encode(text, add_special_tokens=False).ids
        done = self.run_nuri("encode", data)
        if done.returncode:
            return len(data), 0, f"{name}: nuri ends with code {done.returncode}: {done.stderr.decode().strip()}"
        ours = [int(i) for i in done.stdout.split()]
        if ours != theirs:
            return len(data), len(theirs), self.difference(name, text, ours, theirs)
        back = self.run_nuri("decode", done.stdout).stdout.decode()
        wanted = [self.package.decode(theirs, skip_special_tokens=False)]
        if not any(t in text for t in self.added):
            wanted.append(self.package.normalizer.normalize_str(text) if self.package.normalizer else text)
        for want in wanted:
            if back != want:
                at = next((i for i, (a, b) in enumerate(zip(back, want)) if a != b), min(len(back), len(want)))
                return len(data), len(theirs), f"{name}: decode gives {back[at:at + 30]!a}, wanted {want[at:at + 30]!a} (character {at})"
        return len(data), len(theirs), None

    def difference(self, name, text, ours, theirs):
        at = next((i for i, (a, b) in enumerate(zip(ours, theirs)) if a != b), min(len(ours), len(theirs)))
        offsets = self.package.encode(text, add_special_tokens=False).offsets
        begin = offsets[at][0] if at < len(offsets) else len(text)
        return (f"{name}: {len(ours)} ids of nuri, {len(theirs)} of the package; from id {at}: {ours[at:at + 6]} and {theirs[at:at + 6]}, "
                f"at character {begin}: {text[max(0, begin - 12):begin + 20]!a}")

    def run(self, items):
        with ThreadPoolExecutor(2) as pool:
            window = []
            for item in itertools.chain(items, itertools.repeat(None, 4)):
                window.append(pool.submit(self.compare, item) if item else None)
                if len(window) > 4 and (first := window.pop(0)):
                    size, ids, complaint = first.result()
                    self.texts, self.bytes, self.ids = self.texts + 1, self.bytes + size, self.ids + ids
                    if complaint:
                        self.complain(complaint)

    def complain(self, text):
        self.wrong.append(text)
        if len(self.wrong) <= 20:
            print(f"DIFFERS {text}", flush=True)

    def joined(self, name, texts):
        """Joined by an added token that is matched in the text as given: each is split as a text of its own, in few processes."""
        raw = [t.content for t in self.package.get_added_tokens_decoder().values() if not (t.normalized or t.lstrip or t.rstrip or t.single_word)]
        if raw:
            yield name, min(raw, key=len).join(texts)
        else:
            yield from ((f"{name}, {text[:40]!a}", text) for text in texts)

    def hard_strings(self):
        yield from list(HARD.items())[:8]
        yield from self.joined("hard strings", list(HARD.values()))
        texts = []
        for token in sorted(self.added, key=len)[:12] + sorted(self.added)[:12]:
            texts += [token, f"a{token}b", f" {token} {token}\n", f"{token}{token}", token[:-1], token[1:], f"e{token}\u0301", f"{token[0]}{token}{token[-1]}",
                      f"1{token}2", f"가 {token}나", token.upper(), unicodedata.normalize("NFD", token)]
        yield "added tokens inside text", "\n".join(texts)
        yield "added tokens, one after the other", "".join(texts)

    def random_strings(self, n=4000):
        rng = random.Random(7)
        pool = POOL + sorted(self.added)[:4]
        yield from self.joined(f"{n} random strings", ["".join(rng.choices(pool, k=rng.randint(1, 40))) for _ in range(n)])

    def every_character(self):
        """Every character between others. Left out: those unassigned for this Python, and those whose order among marks the
        package does not know (its tables of normalisation are older); their number is printed."""
        unknown = []
        for plane in range(0, 0x110000, 0x1000):
            text = ""
            for c in map(chr, range(plane, plane + 0x1000)):
                if unicodedata.category(c) in ("Cn", "Cs", "Co") or c in "\n\r":
                    continue
                line = f"a{c}b {c} {c}{c}1{c}\u0301{c}\n"
                if self.package.normalizer and self.package.normalizer.normalize_str(line) != unicodedata.normalize("NFC", line):
                    unknown.append(f"U+{ord(c):04X}")
                else:
                    text += line
            if text:
                yield f"characters U+{plane:04X} to U+{plane + 0xFFF:04X}", text
        if unknown:
            print(f"left out: {len(unknown)} characters that the package normalises by older tables than this Python, {unknown[0]} the first")

    def refuses_bad_bytes(self):
        for name, data in NOT_UTF8.items():
            done = self.run_nuri("encode", data)
            if done.returncode != 2 or b"UTF-8" not in done.stderr:
                self.complain(f"{name}: bytes that are not UTF-8 end with code {done.returncode}, {done.stderr!r}; a refusal with code 2 was expected")


def byte_alphabet():
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    table = {chr(b): b for b in printable}
    table.update({chr(256 + n): b for n, b in enumerate(b for b in range(256) if b not in printable)})
    return table


def crossing_tokens(package):
    """Tokens that hold part of a character beside something else."""
    alphabet = byte_alphabet()
    for token, ident in package.get_vocab(with_added_tokens=False).items():
        if not all(c in alphabet for c in token):
            continue
        data = bytes(alphabet[c] for c in token)
        tails = [0x80 <= b < 0xC0 for b in data]
        inside = len(data) <= 3 and (all(tails) or (data[0] >= 0xC0 and all(tails[1:])))
        try:
            data.decode()
        except UnicodeDecodeError:
            if not inside:
                yield ident, token, data


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("tokenizer", type=pathlib.Path)
    parser.add_argument("text", nargs="*", type=pathlib.Path)
    parser.add_argument("--nuri", default="build/nuri", help="the program (default build/nuri)")
    parser.add_argument("--characters", action="store_true", help="every assigned character too")
    parser.add_argument("--whole-characters", action="store_true", help="no token may reach into part of a character")
    a = parser.parse_intermixed_args()  # options may stand between the texts
    os.environ["TOKENIZERS_PARALLELISM"] = "false"
    try:
        from tokenizers import Tokenizer
    except ImportError:
        parser.error("the package tokenizers is missing: pip install tokenizers zstandard")
    if not os.access(a.nuri, os.X_OK):
        parser.error(f"{a.nuri} is no program; build it with ./run build, or name it with --nuri")
    missing = [str(p) for p in [a.tokenizer, *a.text] if not p.exists()]
    if missing:
        parser.error(f"there is no {', '.join(missing)}")
    file = a.tokenizer
    if file.is_dir():
        file = next((file / n for n in ("tokenizer.json", "tokenizer.json.zst") if (file / n).exists()), None)
        if not file:
            parser.error(f"{a.tokenizer} holds no tokenizer.json")
    with tempfile.TemporaryDirectory() as directory:
        data = file.read_bytes()
        if file.name.endswith(".zst"):
            import zstandard
            data = zstandard.ZstdDecompressor().stream_reader(data).read()
        pathlib.Path(directory, "tokenizer.json").write_bytes(data)
        try:
            package = Tokenizer.from_str(data.decode())
        except Exception as error:
            print(f"the package refuses {file}: {error}")
            return REFUSED
        package.no_truncation()
        package.no_padding()
        c = Comparison(a.nuri, directory, package)
        first = c.run_nuri("encode", b"a")
        if first.returncode:
            print(f"nuri refuses {file}: {first.stderr.decode().strip()}")
            return REFUSED
        c.run(c.hard_strings())
        c.run(c.random_strings())
        c.refuses_bad_bytes()
        if a.characters:
            c.run(c.every_character())
        c.run(chunks(a.text))
        if a.whole_characters:
            for ident, token, data in crossing_tokens(package):
                c.complain(f"token {ident} {token!a} reaches into part of a character: bytes {data.hex(' ')}")
    print(json.dumps({"tokenizer": str(file), "vocabulary": package.get_vocab_size(), "texts": c.texts, "bytes": c.bytes, "ids": c.ids, "differences": len(c.wrong)}))
    return 1 if c.wrong else 0


if __name__ == "__main__":
    sys.exit(main())
