#!/usr/bin/env bash
# qemu.sh CPU PROGRAM ARGUMENTS...: runs a program as on another x86-64 CPU (Haswell: AVX2 and FMA; Nehalem: neither).
set -euo pipefail
qemu=$(command -v qemu-x86_64 || command -v qemu-x86_64-static || true)
if [ -z "$qemu" ]; then
  echo 'SKIPPED: qemu-x86_64 is absent (package qemu-user)'
  exit 77
fi
cpu=$1
shift
# What the emulator says of features it lacks is no news here.
unset NURI_CPU
exec "$qemu" -cpu "$cpu" "$@" 2> >(grep -v 'TCG doesn.t support requested feature' >&2)
