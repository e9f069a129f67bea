// Package orientdb tests the store of the same name against real servers.
package orientdb
