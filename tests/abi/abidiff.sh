#!/bin/sh
# The built library's interface against the stored one, with libabigail.
#
#   sh tests/abi/abidiff.sh BUILDDIR             compare
#   sh tests/abi/abidiff.sh --update BUILDDIR    store the present one
#
# What is added passes; what is removed or changed fails.
set -eu

here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
headers=$here/../../include
baseline=$here/fourstage.abi.xml
update=''
if [ "${1:-}" = --update ]; then
    update=yes
    shift
fi
[ $# -eq 1 ] || { echo "usage: $0 [--update] BUILDDIR" >&2; exit 2; }
library=$1/lib/libfourstage.so
if ! command -v abidiff >/dev/null 2>&1; then
    echo 'abidiff is not installed (Debian package abigail-tools)'
    exit 77
fi
# Only what the headers show; no paths and no line numbers of this machine.
describe() { # FILE
    abidw --headers-dir "$headers" --drop-private-types --no-show-locs --no-corpus-path \
        --no-comp-dir-path --type-id-style hash --out-file "$1" "$library"
}
if [ -z "$update" ] && ! grep -q "architecture='elf-amd-$(uname -m | tr _ -)'\|architecture='elf-amd-$(uname -m)'" "$baseline"; then
    echo "the baseline is for another architecture than $(uname -m)"
    exit 77
fi
if [ -n "$update" ]; then
    describe "$baseline"
    exit 0
fi
present=$1/fourstage.abi.xml
describe "$present"
# Result bits: 1 error, 2 usage, 4 something changed, 8 incompatibly. Additions are bit 4 alone, but so
# are changes of a type, hence the second look without what was added.
status=0
abidiff "$baseline" "$present" || status=$?
[ "$status" -ne 0 ] || exit 0
if [ "$status" -eq 4 ] && abidiff --no-added-syms "$baseline" "$present" >/dev/null; then
    echo 'only additions; store them with: sh tests/abi/abidiff.sh --update BUILDDIR'
    exit 0
fi
exit 1
