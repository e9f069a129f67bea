package conformance

import "slices"

// Level groups requirements by property. A store that reaches a level keeps
// every requirement of it.
type Level string

// The levels. Each but the first counts only together with Core.
const (
	Core        Level = "core"        // the five verbs, lifetimes, ids, owners as data
	Listing     Level = "listing"     // listing, counting, clearing, sweeping, ending by owner
	Durable     Level = "durable"     // what is written survives a kill
	Faults      Level = "faults"      // right while the backend fails, and afterwards
	Distributed Level = "distributed" // right across handles and processes
)

// Levels are all levels, in the order in which the report names them.
func Levels() []Level { return []Level{Core, Listing, Durable, Faults, Distributed} }

// Requirement is one sentence of the contract.
type Requirement struct {
	ID       string // like "UPDATE-2"; never reused, never renumbered
	Level    Level
	Sentence string // word for word as it stands in package store

	check func(*T)
	slow  bool // waits in real time: runs beside the others
}

// Requirements are all requirements of the contract, in its order.
func Requirements() []Requirement { return slices.Clone(requirements) }

func find(id string) (Requirement, bool) {
	i := slices.IndexFunc(requirements, func(r Requirement) bool { return r.ID == id })
	if i < 0 {
		return Requirement{}, false
	}
	return requirements[i], true
}
