// The codes of errors.
package io.weft;

/** What kind of error happened; the same codes in every language. */
public enum ErrorCode {
  /** A run was cancelled. */
  CANCELLED,
  /** An error of which no more is known, such as an exception of a host function. */
  UNKNOWN,
  /** An argument that cannot be right, whatever the state. */
  INVALID_ARGUMENT,
  /** A run took longer than its deadline. */
  DEADLINE_EXCEEDED,
  /** Something named is not there. */
  NOT_FOUND,
  /** Something named is there already. */
  ALREADY_EXISTS,
  /** The operating system forbids it. */
  PERMISSION_DENIED,
  /** There is not enough memory, or a limit was reached. */
  RESOURCE_EXHAUSTED,
  /** The object is not in the state that the call needs. */
  FAILED_PRECONDITION,
  /** For callbacks that end the work; the library does not give it. */
  ABORTED,
  /** An index or number is past an end. */
  OUT_OF_RANGE,
  /** This build cannot do it. */
  UNIMPLEMENTED,
  /** A mistake in Weft itself. */
  INTERNAL,
  /** A program or a disk that is needed cannot be had now. */
  UNAVAILABLE,
  /** A file is damaged. */
  DATA_LOSS;

  /** The number of this code in the C headers. */
  int number() {
    return ordinal() + 1;
  }

  static ErrorCode of(int number) {
    ErrorCode[] codes = values();
    return number < 1 || number > codes.length ? UNKNOWN : codes[number - 1];
  }
}
