# Sourced: striped_images FOLDER PART COUNT writes IDX files of 8 × 8 pixels, noise with bright rows, columns or
# squares, the three classes.
striped_images() {
    awk -v count="$3" -v seed="$3" 'BEGIN {
        srand(seed)
        for (i = 0; i < count; ++i)
            for (p = 0; p < 64; ++p) {
                stripe = i % 3 == 0 ? int(p / 8) : i % 3 == 1 ? p % 8 : int(p / 8) + p % 8
                printf "\\%03o", int(rand() * 60) + 120 * (stripe % 2)
            }
    }' >"$1/pixels"
    awk -v count="$3" 'BEGIN { for (i = 0; i < count; ++i) printf "\\%03o", i % 3 }' >"$1/classes"
    high=$(printf '%03o' $(($3 / 256))) low=$(printf '%03o' $(($3 % 256)))
    {
        printf "\\000\\000\\010\\003\\000\\000\\$high\\$low\\000\\000\\000\\010\\000\\000\\000\\010"
        printf "$(cat "$1/pixels")"
    } >"$1/$2-images-idx3-ubyte"
    {
        printf "\\000\\000\\010\\001\\000\\000\\$high\\$low"
        printf "$(cat "$1/classes")"
    } >"$1/$2-labels-idx1-ubyte"
}
