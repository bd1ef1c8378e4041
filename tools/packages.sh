# Sourced by tests/run.sh and examples/quickstart.sh: installs Debian packages that are missing.
# Names are those of Debian 12 and 13.

build_packages='gcc libc6-dev meson ninja-build pkg-config libopenblas-dev libjansson-dev libutf8proc-dev libpcre2-dev'
optional_packages='libdnnl-dev zlib1g-dev libspng-dev'
fetch_packages='ca-certificates python3-pip'
test_packages='g++ check abigail-tools valgrind doxygen locales python3-venv python3-pip'

as_root() {
    if [ "$(id -u)" -eq 0 ]; then
        "$@"
    elif command -v sudo >/dev/null 2>&1; then
        sudo "$@"
    else
        echo "not root and no sudo: please run as root: $*" >&2
        return 1
    fi
}

# True if a package, or for a program another copy of it, is there.
have_package() {
    case $1 in
    gcc) command -v cc >/dev/null 2>&1 && return 0 ;;
    g++) command -v c++ >/dev/null 2>&1 && return 0 ;;
    meson) meson_is_new && return 0 ;;
    ninja-build) command -v ninja >/dev/null 2>&1 && return 0 ;;
    pkg-config) command -v pkg-config >/dev/null 2>&1 && return 0 ;;
    abigail-tools) command -v abidiff >/dev/null 2>&1 && return 0 ;;
    valgrind) command -v valgrind >/dev/null 2>&1 && return 0 ;;
    doxygen) command -v doxygen >/dev/null 2>&1 && return 0 ;;
    python3-venv) python3 -c 'import ensurepip, venv' >/dev/null 2>&1 && return 0 ;;
    python3-pip) python3 -m pip --version >/dev/null 2>&1 && return 0 ;;
    esac
    [ "$(dpkg-query -W -f='${Status}' "$1" 2>/dev/null)" = 'install ok installed' ]
}

meson_is_new() {
    command -v meson >/dev/null 2>&1 && [ "$(meson --version | cut -d. -f1)" -ge 1 ]
}

# install_packages REQUIRED... -- OPTIONAL...
install_packages() {
    missing='' wanted='' optional=''
    for each in "$@"; do
        if [ "$each" = -- ]; then
            optional=yes
        elif have_package "$each"; then
            :
        elif [ -n "$optional" ]; then
            wanted="$wanted $each"
        else
            missing="$missing $each"
        fi
    done
    [ -n "$missing$wanted" ] || return 0
    if ! command -v apt-get >/dev/null 2>&1; then
        [ -z "$missing" ] || { echo "missing, and no apt-get here:$missing" >&2; return 1; }
        return 0
    fi
    echo "installing:$missing$wanted"
    as_root env DEBIAN_FRONTEND=noninteractive apt-get update -qq
    if [ -n "$missing" ]; then
        # shellcheck disable=SC2086  # a list
        as_root env DEBIAN_FRONTEND=noninteractive \
            apt-get install -y -qq --no-install-recommends $missing
    fi
    for each in $wanted; do
        as_root env DEBIAN_FRONTEND=noninteractive \
            apt-get install -y -qq --no-install-recommends "$each" ||
            echo "$each cannot be installed; going on without it"
    done
}
