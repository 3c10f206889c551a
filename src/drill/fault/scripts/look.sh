# What a machine is, as the user of the way in: user, boot, and the interface by which the answer goes.
id -u
cat /proc/sys/kernel/random/boot_id
from=${SSH_CONNECTION:-} from=${from%% *}
PATH=$PATH:/usr/sbin:/sbin
if [ -n "$from" ]; then ip -o route get "${from%%\%*}"; else ip -o route show default; fi 2> /dev/null |
    sed -n '1s/.* dev \([^ ]*\).*/\1/p'
