// What is different in a test with the race detector.

//go:build race

package weft_test

func init() { raceDetector = true }
