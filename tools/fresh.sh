#!/usr/bin/env bash
# fresh.sh [--all] [--keep]: makes a minimal Debian 12 with debootstrap, copies the last commit in and runs
# `./run demo --quick` and `./run test --fast` there (--all: the whole `./run test`). The mirror and its proxy are those of
# this machine's apt. Where the kernel forbids chroot or mounts, that is said and counts as a listed skip.
set -euo pipefail
cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/.."
source tools/setup.sh
fast=--fast keep=''
while [ $# -gt 0 ]; do
  case $1 in
    --all) fast='' ;;
    --keep) keep=1 ;;
    *) wrong_use "fresh: unknown option '$1' (allowed: --all, --keep)" ;;
  esac
  shift
done
skip() {
  echo "SKIPPED: $*"
  say "summary: fresh skipped (listed in tests/may_skip.txt)"
  exit 0
}
[ "$(id -u)" -eq 0 ] || die "fresh makes a root directory and needs root: sudo ./run fresh"
chroot / true 2>/dev/null || skip "the kernel forbids chroot here"
unshare -m true 2>/dev/null || skip "the kernel forbids namespaces here"

# "URI SUITE COMPONENT" of each Debian source that apt knows; the first of the release itself is the mirror.
sources=$(apt-get indextargets --format '$(ORIGIN) $(REPO_URI) $(RELEASE) $(COMPONENT)' 'Identifier: Packages' |
  awk '$1 == "Debian" && $3 ~ /^bookworm/ && $4 == "main" && !seen[$0]++ { print $2, $3, $4 }')
mirror=$(awk '$2 == "bookworm" { print $1; exit }' <<<"$sources")
[ -n "$mirror" ] || die "apt knows no mirror of Debian 12 here (apt-get update first, or add one to its sources)"

dir=$(mktemp -d "${TMPDIR:-/var/tmp}/nuri-fresh.XXXXXX")
if [ -z "$keep" ]; then trap 'rm -rf --one-file-system "$dir" "$dir.log"' EXIT; fi
free=$(df --output=avail -B1M "$dir" | tail -n 1)
[ "$free" -ge 5000 ] || die "$dir has $free MB free; fresh needs about 5000 MB (set TMPDIR to a larger place)"
start=$SECONDS
say "debootstrap of a minimal Debian 12 into $dir"
debootstrap --variant=minbase bookworm "$dir" "$mirror" >"$dir.log" 2>&1 || {
  tail -n 20 "$dir.log" >&2
  if grep -q 'mknod.*not permitted' "$dir.log"; then skip "the kernel forbids chroot guests to make devices"; fi
  die "debootstrap failed (its last lines stand above)"
}
rm -f "$dir.log"
awk '{ print "deb", $1, $2, $3 }' <<<"$sources" >"$dir/etc/apt/sources.list"
apt-config dump | grep -E '^Acquire::(http|https)::[Pp]roxy|^Acquire::Check-(Date|Valid-Until)' \
  >"$dir/etc/apt/apt.conf.d/90machine" || true
cp -L /etc/resolv.conf "$dir/etc/resolv.conf" 2>/dev/null || true
packages_before=$(chroot "$dir" dpkg-query -W -f='x' | wc -c)
mkdir "$dir/nuri"
if git rev-parse --is-inside-work-tree >/dev/null 2>&1; then
  git archive HEAD | tar -x -C "$dir/nuri"
  say "the repository at $(git rev-parse --short=12 HEAD), in a Debian of $packages_before packages"
else
  tar -c --exclude='./build*' . | tar -x -C "$dir/nuri"
fi

# A private mount namespace, so that nothing stays mounted; a clean environment, so that nothing of this machine helps.
inside() {
  unshare -m --propagation private bash -c '
    mount -t proc proc "$0/proc" && mount --rbind /dev "$0/dev" && mount -t tmpfs tmpfs "$0/tmp" || exit 3
    exec chroot "$0" /usr/bin/env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LANG=C.UTF-8 CI="$1" \
      http_proxy="$2" https_proxy="$3" /bin/bash -c "$4"' \
    "$dir" "${CI:-}" "${http_proxy:-}" "${https_proxy:-}" "cd / && $1"
}
code=0
for command in "nuri/run demo --quick </dev/null" "nuri/run test $fast"; do
  say "in the fresh Debian: $command"
  step=$SECONDS
  inside "$command" || code=$?
  [ "$code" -ne 3 ] || skip "the kernel forbids chroot guests to mount"
  [ "$code" -eq 0 ] || die "'$command' failed in a fresh Debian 12 (exit code $code)"
  say "$command: well, $((SECONDS - step)) s"
done
say "summary: a fresh Debian 12 builds, runs the demo and passes its tests; $((SECONDS - start)) s"
