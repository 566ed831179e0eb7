#!/usr/bin/env bash
# fetch_manuals.sh DIR: the Korean and English manuals that Debian packages carry, fetched and unpacked (not installed)
# into DIR/<package>. What is there already is not fetched again; what cannot be had is said, and is no error.
set -euo pipefail
cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/.."
source tools/setup.sh
manuals=(installation-guide-amd64 debian-handbook debian-faq debian-faq-ko gimp-help-ko gimp-help-en libreoffice-help-ko
  libreoffice-help-en-us)
dir=$1
mkdir -p "$dir"
missing=()
for manual in "${manuals[@]}"; do [ -d "$dir/$manual" ] || missing+=("$manual"); done
[ ${#missing[@]} -gt 0 ] || exit 0
if ! command -v apt-get >/dev/null || ! command -v dpkg-deb >/dev/null; then
  say "no apt-get here, so without the manuals of: ${missing[*]}"
  exit 0
fi

say "fetching Debian's manuals as training text (about 160 MB, unpacked into $dir, nothing installed): ${missing[*]}"
aside=$(mktemp -d "$dir/fetching.XXXXXX")
trap 'rm -rf "$aside"' EXIT
absent=()
for manual in "${missing[@]}"; do
  # apt-get download writes into the current directory; root's sandbox notice says nothing of interest here.
  if (cd "$aside" && apt-get -qq -o APT::Sandbox::User="$(id -un)" download "$manual" >log 2>&1); then
    mkdir "$aside/$manual"
    dpkg-deb --fsys-tarfile "$aside/${manual}"_*.deb |
      tar -x -C "$aside/$manual" --wildcards --exclude='*.png' --exclude='*.jpg' --exclude='*.svg' --exclude='*.pdf' \
        --exclude='*.epub'
    rm "$aside/${manual}"_*.deb
    mv "$aside/$manual" "$dir/$manual"
    printf '  %-26s %s\n' "$manual" "$(du -sh "$dir/$manual" | cut -f1)"
  else
    absent+=("$manual")
  fi
done
if [ ${#absent[@]} -gt 0 ]; then
  say "not available, so the text is made without them: ${absent[*]} ($(tail -n 1 "$aside/log"))"
fi
