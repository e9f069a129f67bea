// Package redistest makes subjects of package conformance from a Redis or Valkey of yours:
// another version, a managed one, a cluster.
//
//	func TestConformance(t *testing.T) {
//		conformance.Run(t, func(tb testing.TB) conformance.Subject {
//			return redistest.Subject(tb, os.Getenv("REDIS_URL"), nil)
//		})
//	}
package redistest
