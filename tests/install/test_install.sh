#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Installs a build into a folder and uses it as a stranger would: by pkg-config, in C11 and C++17,
# against the shared and the static library. Then looks at how what was installed is hardened.
#
# usage: test_install.sh BUILD-DIR hello.c kit.c [PROGRAM ...]    (programs that the build installs)
set -u
build=$1 hello=$2 kit=$3
programs=("${@:4}")
root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT
passed=0 failed=0

check() { # what it shows, command...
    if output=$("${@:2}" 2>&1); then
        passed=$((passed + 1))
    else
        failed=$((failed + 1))
        printf 'failed: %s\n%s\n' "$1" "$output"
    fi
}

check 'meson installs into a folder' \
    meson install -C "$build" --no-rebuild --quiet --destdir "$root"
libdir=$(dirname "$(find "$root" -name libkettle.a)")
prefix=${libdir%/lib*}
# A second tree without shared libraries, so that -lkettle finds the static one.
static_root=$root/static
mkdir -p "$static_root"
cp -a "$prefix" "$static_root/prefix"
static_libdir=$static_root/prefix${libdir#"$prefix"}
rm "$static_libdir"/*.so*

flags() { # libdir, prefix, options and packages...
    PKG_CONFIG_PATH=$1/pkgconfig pkg-config --define-variable=prefix="$2" "${@:3}"
}

shared() { # compiler and options...; package first
    local package=$1
    # shellcheck disable=SC2046
    "${@:2}" $(flags "$libdir" "$prefix" --cflags --libs "$package") -Wl,-rpath,"$libdir" \
        -o "$root/program" && "$root/program"
}

static() {
    local package=$1
    # shellcheck disable=SC2046
    "${@:2}" $(flags "$static_libdir" "$static_root/prefix" --static --cflags --libs "$package") \
        -o "$root/program" && "$root/program"
}

strict='-Wall -Wextra -Werror -O2'
# shellcheck disable=SC2086
for compiler in gcc clang; do
    cxx=g++
    [ $compiler = gcc ] || cxx=clang++
    for link in shared static; do
        check "$compiler, C11, $link" $link libkettle $compiler -std=c11 $strict "$hello"
        check "$cxx, C++17, $link" \
            $link libkettle $cxx -std=c++17 $strict -x c++ "$hello" -x none
    done
done
for link in shared static; do
    check "the test kit, $link" $link libkettle-test gcc -std=c11 "$kit"
done

version_is() {
    [ "$(flags "$libdir" "$prefix" --modversion "$1")" = 0.1.0 ]
}
for package in libkettle libkettle-net libkettle-jobs libkettle-notes libkettle-test; do
    check "$package has a pkg-config file with the version" version_is $package
    check "$package's private requirements can be found" \
        flags "$libdir" "$prefix" --static --libs $package
done

needs_only() { # library, names of what it may need
    local found
    found=$(readelf -dW "$1" | sed -n 's/.*NEEDED.*\[\(.*\)\]/\1/p' | grep -vE "$2")
    [ -z "$found" ] || { echo "$1 needs $found"; return 1; }
}
check 'libkettle needs liburing and libc alone' \
    needs_only "$libdir/libkettle.so" '^(liburing|libc)\.so'

soname_is() {
    readelf -dW "$1" | grep -q "SONAME.*\[$2\]"
}
has_stack_check() {
    readelf -sW "$1" | grep -q '__stack_chk_fail'
}
has_fortify() {
    readelf -sW "$1" | grep -q '_chk@'
}
full_relro() {
    readelf -lW "$1" | grep -q GNU_RELRO && readelf -dW "$1" | grep -qE 'BIND_NOW|Flags:.*NOW'
}
stack_not_executable() {
    readelf -lW "$1" | awk '/GNU_STACK/ { found = 1; if ($0 ~ /RWE/) bad = 1 } END { exit !found || bad }'
}
nothing_writable_and_executable() {
    ! readelf -lW "$1" | grep -E ' LOAD ' | grep -q 'RWE'
}
is_pie() {
    readelf -hW "$1" | grep -q 'Type:.*DYN' && readelf -dW "$1" | grep -q 'Flags:.*PIE'
}
no_text_relocations() {
    ! readelf -dW "$1" | grep -q TEXTREL
}

for name in libkettle libkettle-net libkettle-jobs libkettle-notes libkettle-test; do
    check "$name has its soname" soname_is "$libdir/$name.so" "$name.so.0"
done
for name in libkettle libkettle-jobs; do
    check "$name is built with FORTIFY" has_fortify "$libdir/$name.so"
done
programs=("${programs[@]/#*\//$prefix/bin/}")
for file in "$libdir"/libkettle*.so "${programs[@]}"; do
    name=$(basename "$file")
    check "$name: full RELRO, bound at start" full_relro "$file"
    check "$name: no executable stack" stack_not_executable "$file"
    check "$name: nothing both writable and executable" nothing_writable_and_executable "$file"
    check "$name: no text relocations" no_text_relocations "$file"
    check "$name: stack protector" has_stack_check "$file"
done
for file in "${programs[@]}"; do
    check "$(basename "$file"): PIE" is_pie "$file"
done
nothing_else() { # folder, what may be in it
    [ ! -d "$1" ] || diff <(printf '%s\n' "$1"/*) <(printf '%s\n' "${@:2}")
}
check 'no other programs are installed' nothing_else "$prefix/bin" "${programs[@]}"

echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
