// Package orientdb keeps sessions in a class of OrientDB.
package orientdb
