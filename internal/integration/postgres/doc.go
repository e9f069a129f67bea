// Package postgres tests the Postgres adapter against real servers: the conformance
// suite, and what must hold when servers, networks and processes fail.
package postgres
