package server

import (
	"context"
	"net"
	"slices"

	"github.com/moby/moby/api/types/container"
)

// Servers that tell each other and their clients where they are, as those of a cluster
// do, must be where they say. They run in one container, which has Spec.Same ports that
// are the same inside and outside, free ones of the host. This variable tells the
// container which, by spaces. The address is loopback, inside and outside, so the Docker
// engine must be on this machine.
const (
	portsVar = "PORTS"
	loopback = "127.0.0.1"
)

// Ports are those of the servers in the container, in the order of their start.
func (s *Server) Ports() []string { return slices.Clone(s.ports) }

// KillNode ends one of several servers as kill -9 does, and returns when it is gone.
func (s *Server) KillNode(ctx context.Context, port string) error {
	_, err := s.Exec(ctx, "bash", "-c", nodes+`kill_node "$0"`, port)
	return err
}

// StartNode starts a server that [Server.KillNode] ended, and returns when it answers.
// What it is to the others they find out after that.
func (s *Server) StartNode(ctx context.Context, port string) error {
	_, err := s.Exec(ctx, "bash", "-c", nodes+`start "$0"; ready "$0"`, port)
	return err
}

// nodes begins every script that starts or ends one of several servers of Redis or
// Valkey. Each has a folder, named after its port.
const nodes = `
set -eu
server=$(command -v redis-server || command -v valkey-server)
cli=$(command -v redis-cli || command -v valkey-cli)

# configure PORT writes what a server starts with, and adds what it reads. Servers write there what
# they must not forget, so a second start finds its own.
configure() {
	mkdir -p "/data/$1"
	[ -s "/data/$1/conf" ] || (cat && cat <<-END) >"/data/$1/conf"
		port $1
		dir /data/$1
		pidfile /data/$1/pid
		logfile /proc/1/fd/2
		daemonize yes
		protected-mode no
	END
}

start() {
	sentinel=
	[ ! -e "/data/$1/sentinel" ] || sentinel=--sentinel
	"$server" "/data/$1/conf" $sentinel
}

# ready PORT returns when the server answers.
ready() { until [ "$("$cli" -p "$1" ping 2>/dev/null)" = PONG ]; do sleep 0.05; done; }

kill_node() {
	pid=$(cat "/data/$1/pid")
	rm "/data/$1/pid"
	kill -9 "$pid"
	while kill -0 "$pid" 2>/dev/null; do sleep 0.01; done
}

# stay is the end of what the container runs. A shell takes care of the processes that were killed.
stay() {
	sleep infinity &
	wait
}
`

// free are so many ports that nobody listens on.
func free(n int) (ports []string, err error) {
	for range n {
		l, err := net.Listen("tcp", ":0")
		if err != nil {
			return nil, err
		}
		defer l.Close() // not before each has its own
		_, port, err := net.SplitHostPort(l.Addr().String())
		if err != nil {
			return nil, err
		}
		ports = append(ports, port)
	}
	return ports, nil
}

// apart keeps the ports of connections that begin in the container away from those that
// its servers listen on, which the host chose from the same range: a server that was
// killed might find its port taken.
func apart(h *container.HostConfig) {
	h.Sysctls = map[string]string{"net.ipv4.ip_local_port_range": "10000 19999"}
}
