#!/usr/bin/env bash
# check.sh [SOURCE_DIR [TABLE]]: the #includes of src/ and the link lines of its CMakeLists.txt agree with layers.txt.
# Prints every line that does not; exit code 1 if there is one.
set -euo pipefail
here=$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")
source_dir=${1:-$here/../..}
table=${2:-$here/layers.txt}
cd "$source_dir/src"

{
  for folder in */; do [ -z "$(ls "$folder")" ] || printf 'folder %s\n' "${folder%/}"; done
  # "include FOLDER FILE TARGET", one for each #include "target/..." (tests, benches and fuzz targets too)
  grep -rnE '^[[:space:]]*#[[:space:]]*include[[:space:]]*"' --include='*.h' --include='*.cpp' . |
    sed -E 's|^\./([^/]+)/([^:]*):([0-9]+):[^"]*"([^"]*)".*|include \1 \1/\2:\3 \4|'
  # "link FOLDER DEPENDENCY..." from nuri_folder(folder [COLD] DEPENDS ...)
  for lists in */CMakeLists.txt; do
    tr '\n' ' ' <"$lists" | grep -oE 'nuri_folder\([^)]*\)' |
      sed -E 's/nuri_folder\( *//; s/ COLD / /; s/ DEPENDS / /; s/ PRIVATE [^)]*//; s/\)//; s/^/link /'
  done
} | awk '
  FNR == NR {
    sub(/#.*/, "")
    if ($0 !~ /:/) next
    folder = $0; sub(/:.*/, "", folder)
    names = $0; sub(/^[^:]*:/, "", names)
    order[++n] = folder; line[folder] = names
    next
  }
  $1 == "folder" { exists[$2] = 1; if (!($2 in line)) complain("src/" $2 " stands in no line of the table"); next }
  $1 == "include" { includes[++n_includes] = $2 SUBSEP $3 SUBSEP $4; next }
  $1 == "link" { folder = $2; linked[folder] = 1; $1 = ""; $2 = ""; links[folder] = $0; n_links++; next }
  function complain(what) { print what; wrong++ }
  # every folder reachable from `folder` by the table
  function reach(folder, set,    deps, i, k) {
    if (line[folder] ~ /\*/) { for (i = 1; i <= n; i++) set[order[i]] = 1; return }
    k = split(line[folder], deps, " ")
    for (i = 1; i <= k; i++) if (!(deps[i] in set)) { set[deps[i]] = 1; reach(deps[i], set) }
  }
  # existing folders that the line of `folder` names, absent ones replaced by their own lines; sets `expanded` then
  function direct(folder, set,    deps, i, k) {
    k = split(line[folder], deps, " ")
    if (line[folder] ~ /\*/) {
      for (i = 1; i <= n; i++) if (order[i] != folder && order[i] in exists) set[order[i]] = 1
      expanded = 1
    }
    for (i = 1; i <= k; i++) if (deps[i] in exists) set[deps[i]] = 1; else if (deps[i] != "*") { direct(deps[i], set); expanded = 1 }
  }
  # The link line names the folders of the table and no other. Where absent folders stood for their lines, it may leave
  # out what the others bring along.
  function check_links(folder,    want, have, deps, i, k, name) {
    expanded = 0
    direct(folder, want)
    k = split(links[folder], deps, " ")
    for (i = 1; i <= k; i++) {
      have[deps[i]] = 1
      if (!(deps[i] in want)) complain("src/" folder "/CMakeLists.txt links " deps[i] ", which its line of the table does not name")
    }
    if (expanded) for (i = 1; i <= k; i++) reach(deps[i], have)
    for (name in want) if (!(name in have)) complain("src/" folder "/CMakeLists.txt does not link " name ", which its line of the table names")
  }
  END {
    for (i = 1; i <= n; i++) {  # the table itself: each line names only folders above it
      k = split(line[order[i]], named, " ")
      for (j = 1; j <= k; j++) if (named[j] != "*" && !(named[j] in seen)) complain("the table names " named[j] " for " order[i] " before " named[j] " has a line")
      seen[order[i]] = 1
    }
    for (i = 1; i <= n_includes; i++) {
      split(includes[i], part, SUBSEP)
      folder = part[1]; place = part[2]; target = part[3]
      if (target == "nuri_commit.h") continue  # generated into the build folder
      sub(/\/.*/, "", target)
      if (!(target in exists)) { complain("src/" place " includes \"" part[3] "\": write the path from src/"); continue }
      delete set; set[folder] = 1; reach(folder, set)
      if (!(target in set)) complain("src/" place " includes \"" part[3] "\", but " folder " stands above " target " or apart from it")
    }
    for (i = 1; i <= n; i++) if (order[i] in exists) {
      if (!(order[i] in linked)) { complain("src/" order[i] "/CMakeLists.txt has no nuri_folder(" order[i] " ...)"); continue }
      check_links(order[i])
    }
    if (!wrong) print n_includes " includes and " n_links " link lines agree with the table"
    exit wrong > 0
  }' "$table" -
