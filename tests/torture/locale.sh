#!/bin/sh
# Makes a locale with a decimal comma in a folder of its own and runs a program under it:
# sh locale.sh PROGRAM
set -eu

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
if ! localedef -i de_DE -f UTF-8 "$folder/de_DE.UTF-8" >/dev/null 2>&1; then
    echo 'localedef or the definition of de_DE is missing (Debian package locales)'
    exit 77
fi
LOCPATH=$folder "$1" de_DE.UTF-8
