#!/bin/bash
# A Ceph cluster of one monitor, one store in memory and one S3 gateway, all on the loopback.
#
# usage: radosgw.sh DIR PORT
#
# Prints "ready" when S3 is served at PORT and runs until standard input ends, so that it never
# outlives the test that started it. What it stored is gone then. PORT+1 is the monitor's, PORT+2
# to PORT+12 the store's. Users: writer, forensic, auditor, stranger; the access key is the name,
# the secret the name and "-secret". Nothing is written to anywhere but DIR.
set -euo pipefail

FSID=5f4dcc3b-5aa7-45d6-9d83-27deb882cf99
OSD=7b2a4d94-9f2a-4f0a-9b1c-3f3f6d2b8a01

write_config() {
    cat > ceph.conf <<CONF
[global]
fsid = $FSID
mon_initial_members = a
mon_host = v2:127.0.0.1:$((PORT + 1))
ms_bind_port_min = $((PORT + 2))
ms_bind_port_max = $((PORT + 12))
ms_bind_msgr1 = false
public_addr = 127.0.0.1
cluster_addr = 127.0.0.1
auth_cluster_required = none
auth_service_required = none
auth_client_required = none
# The gateway insists on encryption towards the monitor, which cannot be had without keys.
ms_mon_client_mode = crc
mon_client_hunt_interval = 0.1
run_dir = $DIR
admin_socket = $DIR/\$name.sock
pid_file = $DIR/\$name.pid
log_file = $DIR/\$name.log
keyring = /dev/null
crash_dir = $DIR
osd_pool_default_size = 1
osd_pool_default_min_size = 1
osd_pool_default_pg_num = 1
osd_pool_default_pgp_num = 1
osd_pool_default_pg_autoscale_mode = off
osd_crush_chooseleaf_type = 0
mon_allow_pool_size_one = true
# The monitor would stop by itself on a disk that is 99 % full, however much is left.
mon_data_avail_crit = -1
mon_data_avail_warn = -1
# A pool costs a round of the monitor, which waits a second for company by default.
paxos_propose_interval = 0.01
paxos_min_wait = 0.005
[mon]
mon_data = $DIR/mon
[osd]
osd_data = $DIR/osd
osd_objectstore = memstore
memstore_device_bytes = 2147483648
osd_op_num_shards = 1
osd_op_num_threads_per_shard = 2
[client.rgw]
rgw_data = $DIR/rgw
rgw_frontends = beast endpoint=127.0.0.1:$PORT
rgw_thread_pool_size = 8
rgw_enable_gc_threads = false
rgw_enable_lc_threads = false
rgw_run_sync_thread = false
CONF
}

[ $# -eq 2 ] || { echo "usage: radosgw.sh DIR PORT" >&2; exit 2; }
PORT=$2
mkdir -p "$1/mon" "$1/osd" "$1/rgw"
DIR=$(cd "$1" && pwd)
cd "$DIR"
# Waiting too, so that none of them stays behind as a zombie of whoever started us.
trap 'exec 2> /dev/null; kill -KILL $(jobs -p) || true; wait' EXIT

# Says what the daemons wrote last, on the error output that we began with.
exec 9>&2
give_up() {
    echo "radosgw.sh: $*" >&9
    tail -v -n 5 "$DIR"/*.out "$DIR"/*.log >&9
    exit 1
}

# Ceph's tools wait for ever for a daemon that is gone.
limited() {
    timeout 60 "$@" || give_up "failed or took more than a minute: $*"
}

write_config
export CEPH_CONF=$DIR/ceph.conf
limited monmaptool --create --fsid $FSID --addv a "[v2:127.0.0.1:$((PORT + 1))]" monmap > mkfs.out
limited ceph-mon --mkfs -i a --monmap monmap
ceph-mon -f -i a > mon.out 2>&1 < /dev/null &
limited ceph osd new $OSD > new.out
limited ceph-osd -i 0 --mkfs --osd-uuid $OSD > osd.out 2>&1
ceph-osd -f -i 0 >> osd.out 2>&1 < /dev/null &
for user in writer forensic auditor stranger; do
    limited radosgw-admin user create --uid=$user --display-name=$user \
        --access-key=$user --secret-key=$user-secret > user.out 2>> admin.log
done
radosgw -f -n client.rgw > rgw.out 2>&1 < /dev/null &
for _ in $(seq 300); do
    if (exec 3<> "/dev/tcp/127.0.0.1/$PORT") 2> /dev/null; then
        echo ready
        cat > /dev/null
        exit
    fi
    sleep 0.1
done
give_up "nobody listens at port $PORT after half a minute"
