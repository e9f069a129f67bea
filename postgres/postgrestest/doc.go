// Package postgrestest makes subjects of package conformance from a PostgreSQL server
// of yours: another version, a managed one, one behind a pooler.
//
//	func TestConformance(t *testing.T) {
//		conformance.Run(t, func(tb testing.TB) conformance.Subject {
//			return postgrestest.Subject(tb, os.Getenv("DATABASE_URL"), nil)
//		})
//	}
package postgrestest
