# shellcheck shell=bash
# Sourced by ./run and the scripts of tools/: messages, and the installation of missing Debian packages.

say() { printf '%s\n' "nuri: $*"; }
die() {
  printf '%s\n' "nuri: $*" >&2
  exit 2
}
wrong_use() { die "$* - './run help' lists the verbs and their options"; }

# build_with_peers TARGET...: builds targets of which some are programs of tests/peers. They stay out of other builds,
# whether this one succeeds or not.
build_with_peers() {
  local code=0
  cmake --preset release -DNURI_PEERS=ON >/dev/null || code=$?
  [ $code -ne 0 ] || ninja -C build --quiet "$@" || code=$?
  cmake --preset release -DNURI_PEERS=OFF >/dev/null
  return $code
}

# need GROUP...: installs the packages of these groups of packages.txt that are missing, saying what and why.
need() {
  if ! command -v dpkg-query >/dev/null; then
    [ -n "${nuri_no_dpkg_said:-}" ] || say "no dpkg here: this is not Debian; the tools of packages.txt must be there already"
    nuri_no_dpkg_said=1
    return
  fi
  local installed group package reason missing=()
  installed=" $(dpkg-query -W -f='${db:Status-Abbrev}${Package} ' | tr -s ' ') "
  while read -r group package reason; do
    case " $* " in *" $group "*) ;; *) continue ;; esac
    case "$installed" in *" ii $package "*) continue ;; esac
    [ ${#missing[@]} -gt 0 ] || say "missing Debian packages, installed now with apt-get:"
    printf '  %-22s %s\n' "$package" "$reason"
    missing+=("$package")
  done < <(grep -v '^#' packages.txt)
  [ ${#missing[@]} -eq 0 ] || install_packages "${missing[@]}"
}

install_packages() {
  local as_root=() log
  if [ "$(id -u)" -ne 0 ]; then
    command -v sudo >/dev/null ||
      die "installing needs root and there is no sudo here; as root: apt-get install --no-install-recommends $*"
    as_root=(sudo)
  fi
  log=$(mktemp)
  # The lists may be old or absent; where updating fails, the install below says whether that matters.
  "${as_root[@]}" apt-get -qq update >"$log" 2>&1 || true
  if ! "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -y -qq -o Dpkg::Use-Pty=0 \
    install --no-install-recommends "$@" >>"$log" 2>&1; then
    tail -n 20 "$log" >&2
    rm -f "$log"
    die "apt-get could not install: $* (its messages stand above). Is there a network, and does" \
      "'apt-get update' work? On a machine without one, install these packages first."
  fi
  rm -f "$log"
}
