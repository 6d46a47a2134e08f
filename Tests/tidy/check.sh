#!/usr/bin/env bash
# Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).
# The house rules that a program can check. Prints each breach, and how many rules held.
set -u
cd "$(dirname "$0")/../.."
passed=0
failed=0

# rule NAME BREACHES: a rule holds when there are none.
rule() {
  if [ -z "$2" ]; then
    passed=$((passed + 1))
  else
    failed=$((failed + 1))
    printf 'BROKEN: %s\n%s\n' "$1" "$2" | head -n 20 >&2
  fi
}

code() { git ls-files --cached --others --exclude-standard -- '*.swift' '*.h' '*.c' '*.py' '*.sh' Makefile scripts tools Benchmarks Tests .ci charon-plugin |
  sort -u | grep -vE '\.(txt|json|md|yang|pem|conf|expected|xml|bin|hex)$' | while read -r f; do [ -f "$f" ] && [ ! -L "$f" ] && echo "$f"; done; }
rule "every source begins with the licence line" "$(code | grep -E '\.(swift|h|c|py|sh)$' |
  while read -r f; do head -n 3 "$f" | grep -q 'Copyright the agentd authors' || echo "$f"; done | grep -vE 'Package.swift$|/References?/|/Cases/|/expected')"
rule "nothing is left to do without saying so in docs/status.md" "$(git grep -nE 'TODO|FIXME|XXX' -- 'Sources/*.swift' 'Sources/*.h' 'Plugins/*.swift')"
rule "no trap in the product: no try!, no fatalError" "$(git grep -nE 'try!|fatalError\(' -- 'Sources/*.swift' |
  grep -v 'Sources/YANGToSwift/')"
rule "no Foundation where bytes are hot or engines are pure" "$(git grep -nE '^import Foundation' -- Sources/YANG \
  Sources/Datastore Sources/NETCONF Sources/KeyService Sources/Secrets Sources/Netlink Sources/Backends/MKA)"
rule "engines know no sockets, clocks or threads" "$(git grep -nE '^import (Glibc|Dispatch|CLinux|CCurl|CLibSSH)' -- \
  Sources/Backends/MKA/PDU Sources/Backends/MKA/Engine Sources/Backends/SKS/SKIP \
  Sources/Backends/IPsec/VICI/VICIMessage.swift Sources/Backends/IPsec/VICI/VICICoding.swift)"
rule "arrows point one way: nothing below knows what is above" "$(
  git grep -nE '^import (Datastore|Models|NETCONF|SKS|MKA|IPsec|Interfaces)$' -- Sources/YANG Sources/Secrets Sources/Netlink Sources/KeyService
  git grep -nE '^import (Models|NETCONF|SKS|MKA|IPsec|Interfaces)$' -- Sources/Datastore
  git grep -nE '^import (Models|SKS|MKA|IPsec|Interfaces)$' -- Sources/NETCONF
  git grep -nE '^import (NETCONF|MKA|IPsec)$' -- Sources/Backends/SKS
  git grep -nE '^import (NETCONF|IPsec|SKS)$' -- Sources/Backends/MKA
  git grep -nE '^import (NETCONF|MKA|SKS)$' -- Sources/Backends/IPsec)"
rule "every @unchecked Sendable has its proof in the lines above it" "$(git grep -l '@unchecked Sendable' -- 'Sources/*.swift' |
  while read -r f; do
    awk -v f="$f" '{ lines[NR] = $0 }
      /@unchecked Sendable/ && !/^ *\/\// { found = 0; for (i = NR; i > NR - 25 && i > 0; i--) if (lines[i] ~ /\/\/.*Sendable/) found = 1
        if (!found) print f ":" NR }' "$f"
  done)"
rule "no file of code has more than 600 lines" "$(git ls-files 'Sources/*.swift' 'Tests/*.swift' |
  while read -r f; do n=$(wc -l <"$f"); [ "$n" -gt 600 ] && echo "$n $f"; done)"

echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
