// Package orientdbtest makes subjects of package conformance from an OrientDB of yours:
// another version, another configuration.
//
//	func TestConformance(t *testing.T) {
//		conformance.Run(t, func(tb testing.TB) conformance.Subject {
//			return orientdbtest.Subject(tb, os.Getenv("ORIENTDB_URL"), nil)
//		})
//	}
package orientdbtest
