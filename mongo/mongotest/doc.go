// Package mongotest makes subjects of package conformance from a MongoDB of yours: another
// version, a replica set, a managed one.
//
//	func TestConformance(t *testing.T) {
//		conformance.Run(t, func(tb testing.TB) conformance.Subject {
//			return mongotest.Subject(tb, os.Getenv("MONGO_URL"), nil)
//		})
//	}
package mongotest
