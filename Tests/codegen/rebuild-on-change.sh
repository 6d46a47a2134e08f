#!/bin/bash
# Copyright the agentd authors. Licensed under the Apache License, Version 2.0 (see LICENSE).
#
# A module of yang/ that is added, changed, renamed or removed is noticed by the next build, and so is a root that is
# added, changed or removed; a build in which nothing changed runs no generator, and files whose text stays the same are
# left alone.
#
# Works on a copy of what the generated models need, in a folder that is kept so that later runs are short.
#   usage: rebuild-on-change.sh [FOLDER]
set -euo pipefail

root=$(cd "$(dirname "$0")/../.." && pwd)
scratch=${1:-$root/.build/rebuild-on-change}
targets='CLibXML2|COpenSSL|CSQLite|CLinux|Secrets|YANG|YANGToSwift|YANGCodegen|GenerateModels|Datastore|Models'

fail() {
  echo "rebuild-on-change: $*" >&2
  exit 1
}

# The copy. Sources keep their times, so that what was built before stays built.
mkdir -p "$scratch/Sources"
rm -f "$scratch/Sources/Models/generate.conf"
for folder in System Secrets YANG YANGToSwift YANGCodegen Datastore Models; do
  mkdir -p "$scratch/Sources/$folder"
  cp -a --update "$root/Sources/$folder/." "$scratch/Sources/$folder/"
done
# What is no longer in the original must not be in the copy.
(cd "$scratch" && find Sources -type f) | while read -r file; do
  [ -e "$root/$file" ] || rm -f "$scratch/$file"
done
rm -rf "$scratch/Plugins" "$scratch/yang"
cp -a "$root/Plugins" "$root/yang" "$scratch/"
{
  echo '// swift-tools-version: 6.0'
  echo 'import PackageDescription'
  grep -E '^let (v6|unchecked)' "$root/Package.swift"
  echo 'let package = Package(name: "rebuild-on-change", targets: ['
  grep -E "^    \.(systemLibrary|target|executableTarget|plugin)\(name: \"($targets)\"" "$root/Package.swift"
  echo '])'
} >"$scratch/Package.swift.new"
cmp -s "$scratch/Package.swift.new" "$scratch/Package.swift" || cp "$scratch/Package.swift.new" "$scratch/Package.swift"
rm -f "$scratch/Package.swift.new"

output=$(mktemp)
trap 'rm -f "$output"' EXIT

build() {
  if ! (cd "$scratch" && swift build --target Models) >"$output" 2>&1; then
    tail -40 "$output" >&2
    fail "the build failed $1"
  fi
}
ran() { grep -q 'Generating Swift types' "$output"; }

generated() { find "$scratch/.build/plugins/outputs" -name "$1.swift" -print -quit; }
has() { grep -q "$1" "$(generated Cisco-IOS-XR-um-sks-server-cfg)"; }
changed() { stat -c %y "$(generated Cisco-IOS-XR-sks-server-oper)"; }

module() { # module NAME LEAF: a module that adds a leaf to the configuration of SKS
  cat >"$scratch/yang/agentd/$1.yang" <<YANG
module $1 {
  namespace "urn:example:$1";
  prefix ex;
  import Cisco-IOS-XR-um-sks-server-cfg { prefix sks; }
  augment /sks:sks-server { leaf $2 { type string; } }
}
YANG
}

build "at first"
has 'example-' && fail "the models have the test's leaf before the test put it there"
before=$(changed)

# The package manager links the tool once more in the build after the first; then nothing is left to be done.
build "a second time"
build "a third time"
ran && fail "the generator ran although nothing had changed"

module example-added first-leaf
build "with a module more"
has 'public var firstLeaf: String?' || fail "an added module is not in the generated types"
has '"example-added:first-leaf"' || fail "the layout does not name the added module"

module example-added second-leaf
build "with a changed module"
has 'public var secondLeaf: String?' || fail "a changed module is not in the generated types"
has 'firstLeaf' && fail "what a module no longer has is still in the generated types"

rm "$scratch/yang/agentd/example-added.yang"
module example-renamed second-leaf
build "with a renamed module"
has '"example-renamed:second-leaf"' || fail "a renamed module is not in the generated types"
has 'example-added' && fail "the former name of a renamed module is still in the generated types"

mkdir "$scratch/yang/example"
mv "$scratch/yang/agentd/example-renamed.yang" "$scratch/yang/example/"
build "with a module in a new folder"
ran || fail "a module that moved was not noticed"
has '"example-renamed:second-leaf"' || fail "a module that moved is not in the generated types"

rm -r "$scratch/yang/example"
build "without the module"
has 'secondLeaf' && fail "a removed module is still in the generated types"

# Roots, in a module of which nothing was generated until now.
roots=$scratch/Sources/Models/generate.conf
nacm() { grep -q "$1" "$(generated ietf-netconf-acm)"; }
[ -z "$(generated ietf-netconf-acm)" ] || fail "the test's root is among the project's own"

echo 'root /ietf-netconf-acm:nacm/rule-list' >>"$roots"
build "with a root more"
nacm 'public struct RuleList' || fail "an added root is not generated"
nacm 'public struct Groups' && fail "what nobody asked for is generated"

sed -i 's|nacm/rule-list$|nacm/groups|' "$roots"
build "with a changed root"
nacm 'public struct Groups' || fail "a changed root is not generated"
nacm 'public struct RuleList' && fail "what a root no longer asks for is still generated"

sed -i 's|nacm/groups$|nacm/group|' "$roots"
(cd "$scratch" && swift build --target Models) >"$output" 2>&1 && fail "a wrong root did not fail the build"
grep -q 'generate.conf:[0-9]*:1: error: .*did you mean /ietf-netconf-acm:nacm/groups?' "$output" ||
  { tail -40 "$output" >&2; fail "the error of a wrong root does not name the nearest"; }

sed -i '/ietf-netconf-acm/d' "$roots"
build "without the root"
[ -z "$(generated ietf-netconf-acm)" ] || fail "a removed root is still generated"

[ "$(changed)" = "$before" ] || fail "a file whose text stayed the same was written again"
echo "rebuild-on-change: added, changed, renamed, moved and removed modules and roots are noticed"
