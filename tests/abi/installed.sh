#!/bin/sh
# What `meson install` leaves is enough for a user: sh installed.sh BUILDDIR
# A C and a C++ program are built with pkg-config against an installation in a folder of its own.
set -eu

build=$1
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
DESTDIR=$folder meson install -C "$build" --no-rebuild --quiet

pc=$(find "$folder" -name fourstage.pc)
[ -n "$pc" ] || { echo 'no fourstage.pc' >&2; exit 1; }
library=$(find "$folder" -name libfourstage.so)
[ -n "$library" ] || { echo 'no libfourstage.so' >&2; exit 1; }
[ -n "$(find "$folder" -name libfourstage.a)" ] || { echo 'no libfourstage.a' >&2; exit 1; }
export PKG_CONFIG_SYSROOT_DIR="$folder"
PKG_CONFIG_PATH=$(dirname "$pc")
export PKG_CONFIG_PATH
LD_LIBRARY_PATH=$(dirname "$library")
export LD_LIBRARY_PATH

cat >"$folder/program.c" <<'END'
#include <fourstage/fourstage.h>
int main(void)
{
    fst_context *context = NULL;
    fst_status status = fst_context_create(NULL, &context);
    fst_context_destroy(context);
    return status != FST_OK || fst_abi_version() < 0;
}
END
cat >"$folder/program.cc" <<'END'
#include <fourstage/fourstage.hpp>
int main()
{
    auto options = fourstage::options(fst_context_options_init);
    options.threads = 1;
    fourstage::context context;
    fourstage::model model;
    fourstage::check(fst_context_create(&options, fourstage::out(context)));
    auto config = fourstage::options(fst_model_config_init);
    config.vocabulary_size = -1;
    try {
        fourstage::check(fst_model_create(context.get(), &config, nullptr, fourstage::out(model)));
    } catch (const fourstage::error &error) {
        config.vocabulary_size = 10;
        fourstage::check(fst_model_create(context.get(), &config, nullptr, fourstage::out(model)));
        return error.status() != FST_ERR_INVALID_ARGUMENT || !model;
    }
    return 1;
}
END
# shellcheck disable=SC2046  # flags
${CC:-cc} -Wall -Werror "$folder/program.c" $(pkg-config --cflags --libs fourstage) -o "$folder/c"
"$folder/c"
# shellcheck disable=SC2046
${CXX:-c++} -std=c++17 -Wall -Wextra -Werror "$folder/program.cc" $(pkg-config --cflags --libs fourstage) -o "$folder/cc"
"$folder/cc"
# The soname carries the ABI's version and nothing else is exported under another one.
readelf -d "$library" | grep -q 'SONAME.*libfourstage\.so\.[0-9][0-9]*\]'
