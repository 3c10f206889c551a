//! What is run in a node to configure the cluster, as an administrator would type it.

/// The standard configuration (a clone in two commands: in one, pcs 0.11 writes the clone's values to the primitive), written into a copy of what the cluster starts with: it needs no running cluster,
/// so it is done while the nodes still look for each other.
pub(crate) const PREPARE: &str = r#"
file=/root/lab-cib.xml
cp /var/lib/pacemaker/cib/cib.xml $file
pcs -f $file property set stonith-enabled=true no-quorum-policy=stop cluster-recheck-interval=5min stonith-timeout=60s
pcs -f $file stonith create power fence_lab pcmk_host_list="node-1 node-2 node-3" op monitor interval=300s
pcs -f $file resource create app_service systemd:app op monitor interval=30s start timeout=30s stop timeout=30s
pcs -f $file resource clone app_service meta clone-max=3 clone-node-max=1 interleave=true
"#;

/// And pushed once there is quorum: fencing first, so that no resource starts without it.
pub(crate) const APPLY: &str = r#"
cibadmin --replace --scope crm_config --xml-file /root/lab-cib.xml
cibadmin --replace --scope resources --xml-file /root/lab-cib.xml
"#;

/// Jetty on every node, as a second service.
pub(crate) const JETTY_ON: &str = r#"
cd /root
pcs cluster cib lab-before.xml
cp lab-before.xml lab-jetty.xml
pcs -f lab-jetty.xml resource create jetty_service systemd:jetty9 op monitor interval=30s start timeout=120s stop timeout=120s
pcs -f lab-jetty.xml resource clone jetty_service meta clone-max=3 clone-node-max=1 interleave=true
pcs cluster cib-push lab-jetty.xml diff-against=lab-before.xml
"#;

/// And gone again.
pub(crate) const JETTY_OFF: &str = "pcs resource delete jetty_service";

/// Back to the configuration on stdin; then transient attributes of Tidegate, failures and fencing history go.
pub(crate) const RESTORE: &str = r#"
cd /root
cat > lab-baseline.xml
cibadmin --query > lab-now.xml
cp lab-now.xml lab-wanted.xml
CIB_file=/root/lab-wanted.xml cibadmin --replace --scope configuration --xml-file lab-baseline.xml
# 0: no difference, 1: a patch was written.
crm_diff --no-version --original lab-now.xml --new lab-wanted.xml > lab-patch.xml || [ $? -eq 1 ]
if [ -s lab-patch.xml ]; then cibadmin --patch --xml-file lab-patch.xml; fi
sed -n 's/.*<nvpair id="status-\([0-9]*\)-[^"]*" name="\(tidegate[^"]*\)".*/\1 \2/p' lab-now.xml |
    while read -r node name; do crm_attribute --node "node-$node" --name "$name" --delete --lifetime reboot; done
if crm_mon --one-shot --output-as=xml | grep -q -e '<failure ' -e 'name="fail-count'; then
    crm_resource --cleanup
fi
stonith_admin --cleanup --history='*' > /dev/null 2>&1 || true
"#;
