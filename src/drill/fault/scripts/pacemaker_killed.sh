# Arguments: node. All of Pacemaker's daemons: the others adopt a new pacemakerd within a second, and nothing happens. What
# the cluster runs in the same control group is left alone.
daemons() {
    group=$(systemctl show --property=ControlGroup --value pacemaker.service)
    cat "/sys/fs/cgroup/systemd$group/cgroup.procs" 2> /dev/null || cat "/sys/fs/cgroup$group/cgroup.procs"
}
begin() {
    killed=
    for pid in $(daemons); do
        case $(cat "/proc/$pid/comm" 2> /dev/null) in
            pacemaker*) killed="$killed $pid" ;;
        esac
    done
    [ -n "$killed" ] && kill -KILL $killed
}
undo() {
    active pacemaker.service || systemctl start pacemaker.service || return 1
    forget_failures "$1"
}
there() {
    ! active pacemaker.service
}
