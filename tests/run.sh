#!/bin/sh
# Builds and runs the tests, installing what they need.
#
#   sh tests/run.sh                  everything but the suite slow
#   sh tests/run.sh --suite unit     one suite (may be repeated); no sanitizer build
#   sh tests/run.sh --no-python      no Python environment; what needs it is skipped
#   sh tests/run.sh --slow           the suite slow as well
#
# Environment: FOURSTAGE_BUILD, the folder of the builds (build/tests, and with -sanitize behind it
# for the second one); FOURSTAGE_DATA, the folder of the test data (../shared/data).
#
# The last line reads 'N passed, N failed, N skipped'.
set -eu

cd "$(dirname -- "$0")/.."
. tools/packages.sh

suites='' python=yes slow=''
while [ $# -gt 0 ]; do
    case $1 in
    --suite)
        [ $# -ge 2 ] || { echo '--suite needs a name' >&2; exit 2; }
        suites="$suites $2"
        shift
        ;;
    --no-python) python='' ;;
    --slow) slow=yes ;;
    -h | --help)
        sed -n '2,/^set/{s/^# \{0,1\}//;/^set/d;p}' tests/run.sh
        exit 0
        ;;
    *)
        echo "unknown option $1; see --help" >&2
        exit 2
        ;;
    esac
    shift
done
sanitize=yes
if [ -n "$suites" ]; then
    sanitize=''
else
    suites='unit gradient parity resume abi torture examples'
fi
[ -z "$slow" ] || suites="$suites slow"
build=${FOURSTAGE_BUILD:-build/tests}
failed=''

# shellcheck disable=SC2086  # lists
install_packages $build_packages $test_packages -- $optional_packages

configure() { # FOLDER OPTION...
    folder=$1
    shift
    if [ -f "$folder/build.ninja" ]; then
        meson setup --reconfigure "$folder" "$@"
    else
        meson setup "$folder" "$@"
    fi
}

# Test runs leave their results in FOLDER/meson-logs/NAME.json, one test a line.
run_suites() { # FOLDER NAME SUITE...
    folder=$1 name=$2
    shift 2
    chosen=''
    for suite in "$@"; do
        chosen="$chosen --suite $suite"
    done
    rm -f "$folder/meson-logs/$name.json"
    # shellcheck disable=SC2086
    meson test -C "$folder" --no-rebuild --print-errorlogs --logbase "$name" \
        --timeout-multiplier "$patience" $chosen || failed=yes
    logs="$logs $folder/meson-logs/$name.json"
}

configure "$build" -Dwerror=true -Dbuildtype=debugoptimized
ninja -C "$build"

if [ -n "$python" ]; then
    if FOURSTAGE_PYTHON=$(sh tests/python-env.sh "$build"); then
        export FOURSTAGE_PYTHON
    else
        echo 'the Python environment could not be made' >&2
        failed=yes
    fi
else
    unset FOURSTAGE_PYTHON || true
fi

logs='' patience=2
# shellcheck disable=SC2086
run_suites "$build" testlog $suites

if [ -n "$sanitize" ]; then
    # The plain C products: the sanitizers see every access, and an optimised BLAS hides them. Warnings
    # are errors in the build above only: instrumented code gives gcc false ones about truncation.
    configure "$build-sanitize" -Dwerror=false -Dexamples=false -Dbuildtype=debugoptimized \
        -Doptimization=1 -Db_sanitize=address,undefined -Db_lundef=false
    ninja -C "$build-sanitize"
    FOURSTAGE_TEST_PROVIDER=reference
    ASAN_OPTIONS=detect_leaks=1:allocator_may_return_null=1:strict_string_checks=1
    UBSAN_OPTIONS=print_stacktrace=1:halt_on_error=1
    export FOURSTAGE_TEST_PROVIDER ASAN_OPTIONS UBSAN_OPTIONS
    patience=6
    run_suites "$build-sanitize" sanitize unit gradient torture resume

    # Data races: one program, eight host threads. The sanitizer wants a fixed memory layout.
    configure "$build-thread" -Dwerror=false -Dexamples=false -Dbuildtype=debugoptimized \
        -Doptimization=1 -Db_sanitize=thread -Db_lundef=false
    ninja -C "$build-thread" tests/torture/run_chains
    rm -f "$build-thread/meson-logs/thread.json"
    TSAN_OPTIONS=halt_on_error=1 setarch "$(uname -m)" -R \
        meson test -C "$build-thread" --no-rebuild --print-errorlogs --logbase thread \
        --timeout-multiplier "$patience" chains ||
        failed=yes
    logs="$logs $build-thread/meson-logs/thread.json"
fi

# shellcheck disable=SC2086
python3 tests/summary.py $logs || failed=yes
[ -z "$failed" ]
