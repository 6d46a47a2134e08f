#!/bin/sh
# Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).
#
# Compiles every module under yang/ as a main module with pyang and with yanglint, and checks that files are named
# after the module and its latest revision. Any error fails. A warning of yanglint fails in our own modules (agentd/);
# in the others it is what the published schema brings with it.
#
#   Tests/yang/check-models.sh [DIRECTORY]      the directory is yang/ of this work tree unless given
#   PYANG, YANGLINT                             the programs, where they are not on PATH
#
# Exit status: 0 all passed, 1 something failed, 2 a program is missing or there is nothing to check.
set -u
export LC_ALL=C

root=$(cd "$(dirname "$0")/../.." && pwd) || exit 2
models=$(cd "${1:-$root/yang}" && pwd) || exit 2
if [ -z "${PYANG:-}" ]; then
  PYANG=$(command -v pyang || true)
  [ -n "$PYANG" ] || PYANG=$root/.venv/bin/pyang
fi
YANGLINT=${YANGLINT:-yanglint}
for program in "$PYANG" "$YANGLINT"; do
  command -v "$program" >/dev/null 2>&1 || {
    echo "check-models: $program not found (pip install pyang; apt-get install libyang2-tools)" >&2
    exit 2
  }
done

# Search paths: one folder for each origin.
pyang_path=
set --
for folder in "$models"/*/; do
  folder=${folder%/}
  pyang_path=${pyang_path:+$pyang_path:}$folder
  set -- "$@" -p "$folder"
done

passed=0
failed=0
pass() { passed=$((passed + 1)); }
fail() {
  failed=$((failed + 1))
  echo "FAILED $1: $2" >&2
  [ -z "${3:-}" ] || printf '%s\n' "$3" | sed 's/^/    /' >&2
}

for file in "$models"/*/*.yang; do
  [ -f "$file" ] || { echo "check-models: no modules in $models" >&2; exit 2; }
  base=${file##*/}

  # The name of the file is that of the module and its latest revision.
  expected=$(awk '
    /^(sub)?module / { name = $2 }
    /^  revision / { revision = $2; gsub(/["{;]/, "", revision); if (revision > latest) latest = revision }
    END { print name "@" latest ".yang" }' "$file")
  if [ "$base" = "$expected" ]; then pass; else fail "$base" "should be named $expected"; fi

  # A submodule is compiled with the module that includes it.
  grep -q '^submodule ' "$file" && continue

  if output=$("$PYANG" --path "$pyang_path" "$file" 2>&1) && ! printf '%s' "$output" | grep -q 'error:'; then
    pass
  else
    fail "$base" "pyang" "$output"
  fi

  case $file in
    */agentd/*) bad='libyang err\|libyang warn\|YANGLINT' ;;
    *) bad='libyang err\|YANGLINT' ;;
  esac
  if output=$("$YANGLINT" "$@" "$file" 2>&1) && ! printf '%s' "$output" | grep -q "$bad"; then
    pass
  else
    fail "$base" "yanglint" "$output"
  fi
done

echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
