// Package reports keeps what the conformance runs of all adapters have found, so
// that the README can claim that and nothing else.
//
// An adapter's test hands its report over:
//
//	conformance.Run(t, open, reports.Save(t))
//
// Then the tests write, and the command table reads:
//
//	export SOJOURN_TEST_REPORTS=$(mktemp -d)
//	go test -count=1 work
//	go run ./internal/reports/table -check -reports $SOJOURN_TEST_REPORTS README.md
//
// With -count=1, since a result that go test has from its cache writes nothing; and
// into a new folder, since nothing removes what an earlier run has left.
//
// A file holds one run, whose name begins with the adapter and the server. An adapter
// has as many as it has servers, times the runs that CI makes of its tests.
package reports
