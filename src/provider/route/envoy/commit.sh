# Replaces the file of endpoints by one rename in its folder, which Envoy watches for.
#
# Arguments: the file; the SHA-256 of what it must hold now; the length of its new content.
# Standard input: the new content.
#
# Exit codes: 0 done; 4 the file is not what it must be, nothing was changed; 3 something else, told on standard error.
LC_ALL=C
export LC_ALL
file=$1 sum=$2 length=$3
end() {
    printf '%s\n' "$2" >&2
    exit "$1"
}
unchanged() {
    [ "$(sha256sum < "$file")" = "$sum  -" ] || end 4 "another hand changed $file just now"
}
# Behind a link, Envoy would watch the folder of the link, and see nothing of this.
[ -f "$file" ] && [ ! -L "$file" ] || end 3 "$file is no regular file"
folder=$(dirname -- "$file")
new=$folder/.$(basename -- "$file").tidegate-new
# One at a time, whoever they are.
exec 9< "$folder" && flock -w 2 9 || end 3 "another change of $file is under way"
unchanged
trap 'rm -f -- "$new"' EXIT
# The copy has the owner, the mode and the labels; then the content.
cp -a -- "$file" "$new" && head -c "$length" > "$new" && [ "$(stat -c %s -- "$new")" = "$length" ] && sync -- "$new" ||
    end 3 "$new could not be written"
unchanged
mv -f -- "$new" "$file" && sync -- "$folder" || end 3 "$file could not be replaced"
