#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# tools/install-deps against false dpkg-query, apt-get and sudo that record how they were called.
set -u
tool="$(cd "$(dirname "$0")/../.." && pwd)/tools/install-deps"
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
passed=0 failed=0

fake() { # name, body
    printf '#!/bin/bash\n%s\n' "$2" >"$scratch/bin/$1"
    chmod +x "$scratch/bin/$1"
}

# A machine on which everything is there but $1, with user id $2.
machine() {
    rm -rf "$scratch/bin" "$scratch/calls"
    mkdir -p "$scratch/bin"
    : >"$scratch/calls"
    for name in bash awk sed tr cat env; do ln -s "$(command -v $name)" "$scratch/bin/$name"; done
    fake id "echo $2"
    fake dpkg-query "shift 2; for p; do [ \$p = '$1' ] || echo \$p installed; done; exit 1"
    fake apt-cache 'exit 0'
    fake apt-get "echo \"apt-get \$*\" >>$scratch/calls"
    fake sudo "echo \"sudo \$*\" >>$scratch/calls"
}

run() {
    output=$(PATH="$scratch/bin" "$scratch/bin/bash" "$tool" "$@" 2>&1)
    status=$?
    calls=$(cat "$scratch/calls")
}

check() { # what it shows, condition...
    if "${@:2}"; then
        passed=$((passed + 1))
    else
        failed=$((failed + 1))
        printf 'failed: %s\n  status %s\n  output %s\n  calls %s\n' "$1" "$status" "$output" "$calls"
    fi
}

machine none 0
run build test
check 'nothing missing: silent, and apt-get is not called' \
    [ "$status/$output/$calls" = "0//" ]

machine liburing-dev 0
run build
check 'root: apt-get without sudo, the missing package only' \
    [ "$calls" = "apt-get install --yes --quiet --no-install-recommends -o Dpkg::Use-Pty=0 liburing-dev" ]
check 'says what it installs' [ "$output" = "install-deps: installing with apt-get: liburing-dev" ]

machine liburing-dev 1000
run build
check 'not root: by sudo' [ "${calls%% apt-get*}" = "sudo env DEBIAN_FRONTEND=noninteractive" ]

machine liburing-dev 1000
rm "$scratch/bin/sudo"
run build
check 'neither root nor sudo: fails and says what to run' \
    [ "$status/${output##*run: }" = "1/apt-get install liburing-dev" ]

machine liburing-dev 0
fake apt-cache "[ -e $scratch/updated ]"
fake apt-get "echo \"apt-get \$1\" >>$scratch/calls; [ \$1 != update ] || : >$scratch/updated"
run build
check 'unknown to the package lists: updates them once, then installs' \
    [ "$status/$calls" = "0/apt-get update
apt-get install" ]

machine liburing-dev 0
fake apt-get "exit 100"
run build
check 'apt-get fails: so does the tool' [ "$status" != 0 ]

machine none 0
rm "$scratch/bin/apt-get"
run build
check 'another system with something missing: prints the list and fails' \
    [ "$status" = 1 -a "${output/liburing-dev/}" != "$output" ]

machine none 0
run nonsense
check 'an unknown group is refused' [ "$status" = 2 ]

echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
