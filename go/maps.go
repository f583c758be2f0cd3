// Maps of the library as maps of Go.

//go:build cgo

package weft

import (
	"maps"
	"slices"
)

// Key is the types that the keys of maps can have.
type Key interface{ int64 | string }

// MapFrom is a map of the library with a copy of these entries: MapFrom(map[string]float32{"height": 1.8}).
func MapFrom[K Key, V Element](entries map[K]V) (*Tensor, error) {
	sorted := slices.Sorted(maps.Keys(entries))
	values := make([]V, len(sorted))
	for i, key := range sorted {
		values[i] = entries[key]
	}
	keys, err := TensorOf(sorted...)
	if err != nil {
		return nil, err
	}
	defer keys.Close()
	mapped, err := TensorOf(values...)
	if err != nil {
		return nil, err
	}
	defer mapped.Close()
	return MapOf(keys, mapped)
}

// ToMap is a copy of the entries of a map, whose keys and values must be of types K and V.
func ToMap[K Key, V Element](t *Tensor) (map[K]V, error) {
	if kind := t.Kind(); kind != KindMap {
		return nil, newError(InvalidArgument, "the value %v is a %v, not a map", t, kind)
	}
	keys, err := part[K](t, 0)
	if err != nil {
		return nil, err
	}
	values, err := part[V](t, 1)
	if err != nil {
		return nil, err
	}
	entries := make(map[K]V, len(keys))
	for i, key := range keys {
		entries[key] = values[i]
	}
	return entries, nil
}

// ToMaps is a copy of all maps of a sequence, such as what ZipMap gives.
func ToMaps[K Key, V Element](t *Tensor) ([]map[K]V, error) {
	if kind := t.Kind(); kind != KindSequence {
		return nil, newError(InvalidArgument, "the value %v is a %v, not a sequence", t, kind)
	}
	all := make([]map[K]V, t.Len())
	for i := range all {
		item, err := t.At(i)
		if err != nil {
			return nil, err
		}
		all[i], err = ToMap[K, V](item)
		item.Close()
		if err != nil {
			return nil, err
		}
	}
	return all, nil
}

// part is a copy of the elements of an item of t.
func part[T Element](t *Tensor, i int) ([]T, error) {
	item, err := t.At(i)
	if err != nil {
		return nil, err
	}
	defer item.Close()
	return Data[T](item)
}
