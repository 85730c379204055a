# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
#
# The control plane: keys, etcd, API server, controllers, scheduler. Its processes run in a network namespace, with their files in
# $CLUSTER_DIR/control. Used by up and by apiserver; after lib.bash.

CONTROL=$CLUSTER_DIR/control
# FILE USER GROUP: a kubeconfig for each; what they may do is said by roles (manifests/, and Kubernetes' own).
CONTROL_USERS="admin admin system:masters
kube-proxy system:kube-proxy -
natbridge-agent natbridge-agent -"

# control_keys ADDRESS...: a CA, and a certificate for the API server at these.
control_keys() {
	local names="DNS:kubernetes,DNS:kubernetes.default,DNS:kubernetes.default.svc,DNS:kubernetes.default.svc.cluster.local,DNS:localhost"
	names+=",IP:127.0.0.1,IP:10.96.0.1$(printf ',IP:%s' "$@")"
	mkdir -p "$CONTROL"
	{
		openssl req -x509 -newkey rsa:2048 -nodes -days 30 -subj /CN=natbridge-test -keyout "$CONTROL/ca.key" -out "$CONTROL/ca.crt"
		openssl req -newkey rsa:2048 -nodes -subj /CN=kube-apiserver -keyout "$CONTROL/api.key" -out "$CONTROL/api.csr"
		openssl x509 -req -days 30 -in "$CONTROL/api.csr" -CA "$CONTROL/ca.crt" -CAkey "$CONTROL/ca.key" -CAcreateserial \
			-out "$CONTROL/api.crt" -extfile <(echo "subjectAltName=$names")
		openssl genrsa -out "$CONTROL/sa.key" 2048
		openssl rsa -in "$CONTROL/sa.key" -pubout -out "$CONTROL/sa.pub"
	} >"$CONTROL/openssl.log" 2>&1 || fail "$(<"$CONTROL/openssl.log")"
}

# control_users SERVER-ADDRESS: a token and a kubeconfig for each user.
control_users() {
	local file user group
	while read -r file user group; do
		echo "$file-token,$user,$file,${group#-}"
		cat >"$CONTROL/$file.conf" <<-END
			apiVersion: v1
			kind: Config
			clusters: [{name: c, cluster: {server: "https://$1:6443", certificate-authority-data: $(base64 -w0 <"$CONTROL/ca.crt")}}]
			users: [{name: u, user: {token: $file-token}}]
			contexts: [{name: c, context: {cluster: c, user: u}}]
			current-context: c
		END
	done <<<"$CONTROL_USERS" >"$CONTROL/tokens.csv"
}

# control_etcd NETNS: the data of an etcd that was here before are taken up.
control_etcd() {
	daemon_start "$1" etcd "$KUBE_BIN/etcd" --data-dir "$CONTROL/etcd" --unsafe-no-fsync --log-level warn \
		--listen-client-urls http://127.0.0.1:2379 --advertise-client-urls http://127.0.0.1:2379 --listen-peer-urls http://127.0.0.1:2380
}

# control_apiserver NETNS ADDRESS: the address is that of the endpoint of Service default/kubernetes. Of the gates that are off by default,
# one is about Services.
control_apiserver() {
	daemon_start "$1" kube-apiserver "$KUBE_BIN/kube-apiserver" --etcd-servers=http://127.0.0.1:2379 \
		--secure-port=6443 "--advertise-address=$2" "--service-cluster-ip-range=$SERVICE_CIDR" \
		"--token-auth-file=$CONTROL/tokens.csv" --authorization-mode=RBAC --anonymous-auth=false \
		"--tls-cert-file=$CONTROL/api.crt" "--tls-private-key-file=$CONTROL/api.key" \
		--service-account-issuer=https://kubernetes.default.svc.cluster.local "--service-account-key-file=$CONTROL/sa.pub" \
		"--service-account-signing-key-file=$CONTROL/sa.key" --kubelet-preferred-address-types=InternalIP --allow-privileged=true -v=1 \
		--feature-gates=RelaxedServiceNameValidation=true
}

# control_ready NETNS
control_ready() {
	nsenter "--net=/run/netns/$1" -- "$KUBE_BIN/kubectl" "--kubeconfig=$CONTROL/admin.conf" get --raw /readyz >/dev/null 2>&1
}

# control_agent NETNS: the user natbridge-agent may do what the agent's service account may.
control_agent() {
	local file
	for file in "$AGENT_MANIFEST" "$KUBE_TEST/manifests/agent.yaml"; do
		nsenter "--net=/run/netns/$1" -- "$KUBE_BIN/kubectl" "--kubeconfig=$CONTROL/admin.conf" apply -f "$file" -l app.kubernetes.io/component=role
	done
}

# control_managers NETNS: what turns Deployments to pods, and Services to EndpointSlices.
control_managers() {
	daemon_start "$1" kube-controller-manager "$KUBE_BIN/kube-controller-manager" "--kubeconfig=$CONTROL/admin.conf" \
		"--service-account-private-key-file=$CONTROL/sa.key" "--root-ca-file=$CONTROL/ca.crt" --use-service-account-credentials \
		--leader-elect=false --kube-api-qps=100 --kube-api-burst=200 -v=1
	daemon_start "$1" kube-scheduler "$KUBE_BIN/kube-scheduler" "--kubeconfig=$CONTROL/admin.conf" --leader-elect=false -v=1
}

# control_cloud NETNS: addresses for Services of type LoadBalancer.
control_cloud() {
	daemon_start "$1" cloud "$KUBE_TEST/cloud"
}

# control_compact NETNS: etcd forgets all that was before now, so that a watch from there is answered by 410.
control_compact() {
	local status revision
	status=$(etcd_post "$1" maintenance/status '{}') || return
	revision=$(jq -r .header.revision <<<"$status")
	etcd_post "$1" kv/compaction "{\"revision\": \"$revision\", \"physical\": true}" >/dev/null || return
	echo "$revision"
}

etcd_post() {
	nsenter "--net=/run/netns/$1" -- curl -fsS --max-time 30 -X POST -d "$3" "http://127.0.0.1:2379/v3/$2"
}

# Ends all of it; its data go with $CLUSTER_DIR.
control_end() {
	local name
	for name in cloud kube-scheduler kube-controller-manager kube-apiserver etcd; do
		daemon_end "$name"
	done
}
