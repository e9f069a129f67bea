// Package redis tests the Redis adapter against real servers: the conformance suite, and
// what must hold when servers, networks and processes fail.
package redis
