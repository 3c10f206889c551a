# Every fault of ours that is not undone: how far it came, and itself.
for injected in /run/tidegate/faults/*/injected.json; do
    dir=${injected%/injected.json}
    [ -e "$injected" ] && [ ! -e "$dir/undone" ] || continue
    if [ -e "$dir/begun" ]; then printf 'begun '; else printf 'armed '; fi
    cat "$injected"
done
