#!/bin/bash
# Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).
#
# Generates Swift of every module in a folder, with the product's acronyms and namespaces, to show that the naming
# rules hold for modules that nobody here wrote. Prints what is wrong, and how much came out.
#   usage: generate-all.sh FOLDER [OUTPUT]
set -euo pipefail

[ $# -ge 1 ] && [ -d "$1" ] || { echo "usage: $0 FOLDER [OUTPUT]" >&2; exit 2; }
root=$(cd "$(dirname "$0")/../.." && pwd)
modules=$(cd "$1" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
output=${2:-$work/output}
mkdir -p "$output"

(cd "$root" && swift build --product YANGCodegen >"$work/build.log" 2>&1) || { cat "$work/build.log" >&2; exit 1; }
{
  # A module, not a submodule: its first statement says which.
  find "$modules" -name '*.yang' -print0 | xargs -0 grep -lE '^[[:space:]]*module[[:space:]]' |
    sed -e 's|.*/||' -e 's|\.yang$||' -e 's|@.*||' -e 's|^|module |' | sort -u
  grep -E '^(acronyms|namespace)' "$root/Sources/Models/generate.conf"
} >"$work/generate.conf"
"$root/.build/debug/YANGCodegen" --modules "$modules" --configuration "$work/generate.conf" --output "$output"
echo "$(grep -c '^module' "$work/generate.conf") modules, $(cat "$output"/*.swift | wc -l) lines of Swift"
