package server

import (
	"context"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/testcontainers/testcontainers-go"
)

// password is that of every server here. It is searched for in what leaks.
const password = "kW7-not-a-word"

// Postgres is a PostgreSQL with the settings that it comes with, which survive a
// power cut, and with room for the connections of many processes.
func Postgres() Spec {
	return Spec{
		Name: "PostgreSQL", URLVar: "SOJOURN_TEST_POSTGRES_URL",
		ImageVar: "SOJOURN_TEST_POSTGRES_IMAGE", Image: "postgres:18",
		Port:  "5432/tcp",
		Env:   map[string]string{"POSTGRES_USER": "sojourn", "POSTGRES_PASSWORD": password, "POSTGRES_DB": "sojourn"},
		Cmd:   []string{"postgres", "-c", "max_connections=300"},
		URL:   postgresURL,
		Ready: readyPostgres,
	}
}

// PostgresMoreImages is the variable that lists images of further versions.
const PostgresMoreImages = "SOJOURN_TEST_POSTGRES_MORE_IMAGES"

func postgresURL(addr string) string {
	return "postgres://sojourn:" + password + "@" + addr + "/sojourn?sslmode=disable"
}

// readyPostgres is nil once the server takes statements over the network, which the
// one that an image starts to make its database does not.
func readyPostgres(ctx context.Context, url string) error {
	c, err := pgx.Connect(ctx, url)
	if err != nil {
		return err
	}
	defer c.Close(ctx)
	_, err = c.Exec(ctx, "SELECT 1")
	return err
}

// PgBouncer is one in transaction mode before the server s, with fewer connections to
// it than its clients have to it.
func PgBouncer(ctx context.Context, s *Server) (Spec, error) {
	ip, err := s.c.ContainerIP(ctx)
	if err != nil {
		return Spec{}, err
	}
	ini := fmt.Sprintf(`[databases]
sojourn = host=%s port=5432 dbname=sojourn
[pgbouncer]
listen_addr = 0.0.0.0
listen_port = 6432
unix_socket_dir =
auth_type = plain
auth_file = /etc/pgbouncer/userlist.txt
pool_mode = transaction
default_pool_size = 4
max_client_conn = 500
max_prepared_statements = 0
stats_users = sojourn
`, ip)
	file := func(path, text string) testcontainers.ContainerFile {
		return testcontainers.ContainerFile{Reader: strings.NewReader(text), ContainerFilePath: path, FileMode: 0o644}
	}
	return Spec{
		Name: "PgBouncer", ImageVar: "SOJOURN_TEST_PGBOUNCER_IMAGE", Image: "edoburu/pgbouncer:v1.24.1-p1",
		Port: "6432/tcp",
		Files: []testcontainers.ContainerFile{
			file("/etc/pgbouncer/pgbouncer.ini", ini),
			file("/etc/pgbouncer/userlist.txt", fmt.Sprintf("%q %q\n", "sojourn", password)),
		},
		Cmd:   []string{},
		URL:   func(addr string) string { return postgresURL(addr) + "&default_query_exec_mode=cache_describe" },
		Ready: readyPostgres,
	}, nil
}

// Standby is a hot standby of the server s, which it makes ready to have one.
func Standby(ctx context.Context, s *Server) (Spec, error) {
	ip, err := s.c.ContainerIP(ctx)
	if err != nil {
		return Spec{}, err
	}
	c, err := pgx.Connect(ctx, s.URL())
	if err != nil {
		return Spec{}, err
	}
	defer c.Close(ctx)
	hba := ""
	if err := c.QueryRow(ctx, `SHOW hba_file`).Scan(&hba); err != nil {
		return Spec{}, err
	}
	if _, err := s.Exec(ctx, "bash", "-c", `echo "host replication all all scram-sha-256" >>"$0"`, hba); err != nil {
		return Spec{}, err
	}
	if _, err := c.Exec(ctx, `SELECT pg_reload_conf()`); err != nil {
		return Spec{}, err
	}
	spec := Postgres()
	spec.Name, spec.URLVar = "a standby of PostgreSQL", ""
	spec.Entry = []string{"bash", "-c", fmt.Sprintf(`
set -e
export PATH=$PATH:$(echo /usr/lib/postgresql/*/bin) PGPASSWORD=%s
su postgres -c "PATH=$PATH PGPASSWORD=$PGPASSWORD; export PATH PGPASSWORD; set -e
	[ -d /tmp/standby ] || pg_basebackup -h %s -U sojourn -D /tmp/standby -R -X stream -c fast
	exec postgres -D /tmp/standby -c listen_addresses='*' -c max_connections=300 -c hba_file=/tmp/standby/pg_hba.conf -c ident_file=/tmp/standby/pg_ident.conf"`, password, ip)}
	spec.Cmd = nil
	return spec, nil
}

// PostgresImage is Postgres from another image.
func PostgresImage(image string) Spec {
	spec := Postgres()
	spec.Image, spec.ImageVar, spec.URLVar = image, "", ""
	return spec
}
