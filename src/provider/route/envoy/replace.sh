# Replaces a file by the content on standard input, in one step. Arguments: its path, the SHA-256 that it must have now, the
# length of the new content. Exit codes: 0 replaced; 4 it is not what it must be, nothing was changed; 10 it cannot be
# replaced so that its reader would notice, nothing was changed; 3 something else.
LC_ALL=C
export LC_ALL
file=$1 sum=$2 length=$3
end() {
    printf '%s\n' "$2" >&2
    exit "$1"
}
[ ! -L "$file" ] || end 10 "$file is a link: whoever watches it would not see another file behind it"
[ -f "$file" ] || end 10 "$file is not there"
folder=$(dirname -- "$file")
new=$folder/.$(basename -- "$file").tidegate-new
exec 9< "$folder"
flock -w 2 9 || end 3 "$folder is locked"
trap 'rm -f -- "$new"' EXIT
# The copy has the owner, the mode and the labels; then the content.
cp -a -- "$file" "$new" && head -c "$length" > "$new" && [ "$(stat -c %s -- "$new")" = "$length" ] && sync -- "$new" ||
    end 3 "$new could not be written"
[ "$(sha256sum < "$file")" = "$sum  -" ] || end 4 "another hand changed $file just now"
cp -a -- "$file" "$folder/.$(basename -- "$file").tidegate-before" && mv -f -- "$new" "$file" && sync -- "$folder" ||
    end 3 "$file could not be replaced"
