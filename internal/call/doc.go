// Package call is how an adapter makes its calls: bounded in time, repeated when a
// reply was lost, and with an error that says what became of it.
//
// An adapter has a [Caller], gives it what it does to its server as a function, and
// judges the errors of its driver by a [Verdict].
package call
