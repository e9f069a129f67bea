package session

import (
	"bytes"
	"slices"
)

// changes returns the record after ops, and whether it differs from base.
func changes(base *record, ops []op) (next record, changed bool) {
	for i := range ops {
		o := &ops[i]
		if o.meta != nil {
			continue
		}
		if old := base.get(o.key); (old == nil) == (o.json == nil) && bytes.Equal(old, o.json) {
			continue
		}
		if slices.ContainsFunc(ops[i+1:], func(later op) bool { return later.key == o.key }) {
			continue // what the last one left is what counts
		}
		if !changed {
			next, changed = base.clone(), true
		}
		next.set(o.key, o.json)
	}
	if m := viewMeta(base, ops); m != base.meta || base.skewed {
		if !changed {
			next, changed = base.clone(), true
		}
		next.meta, next.skewed = m, false
	}
	if !changed {
		next = *base
	}
	return next, changed
}

// redo makes the changes again, on another base.
func redo(base *record, ops []op) ([]op, error) {
	ops = slices.Clone(ops) // who reads meanwhile has the old ones
	for i := range ops {
		if ops[i].change == nil {
			continue
		}
		json, err := ops[i].change(view(base, ops[:i], ops[i].key))
		if err != nil {
			return nil, err
		}
		ops[i].json = json
	}
	return ops, nil
}
