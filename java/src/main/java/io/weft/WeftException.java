// The errors of the library as exceptions.
package io.weft;

import java.nio.file.AccessDeniedException;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.FileSystemException;
import java.nio.file.NoSuchFileException;
import java.nio.file.NotDirectoryException;

/**
 * An error of the library. Its code tells the kinds apart; the frequent kinds have a class of their own, nested in this
 * one. The exception of a host function or listener is the {@link #getCause() cause}; of an error with a file it is a
 * {@link java.nio.file.FileSystemException}, such as {@link java.nio.file.NoSuchFileException}.
 */
public class WeftException extends RuntimeException {
  private static final long serialVersionUID = 1;

  /** Which kind of error. */
  private final ErrorCode code;
  /** The failing node, "" if unknown. */
  private final String node;
  /** Its operator, "" if unknown. */
  private final String op;
  /** The source line that built it, "" if unknown. */
  private final String origin;

  WeftException(ErrorCode code, String message, String node, String op, String origin, Throwable cause) {
    super(text(message, node, op, origin), cause);
    this.code = code;
    this.node = node;
    this.op = op;
    this.origin = origin;
  }

  /**
   * Makes an error, for a host function or listener to throw.
   *
   * @param code which kind of error
   * @param message what was wrong
   */
  public WeftException(ErrorCode code, String message) {
    this(Check.notNull(code, "code"), message, "", "", "", null);
  }

  /**
   * Which kind of error.
   *
   * @return the code
   */
  public ErrorCode code() {
    return code;
  }

  /**
   * The name of the node that failed.
   *
   * @return the name, or "" if no node is known
   */
  public String node() {
    return node;
  }

  /**
   * The operator of the node that failed.
   *
   * @return the full name of the operator, or "" if none is known
   */
  public String op() {
    return op;
  }

  /**
   * The line of the program that built the node.
   *
   * @return such as "Train.java:41", or "" if none is known
   */
  public String origin() {
    return origin;
  }

  // As the library writes it: what was wrong [MatMul 'scores'] (built at Train.java:41).
  private static String text(String message, String node, String op, String origin) {
    StringBuilder text = new StringBuilder(String.valueOf(message));
    if (node.isEmpty() ? !op.isEmpty() : node.equals(op)) {
      text.append(" [").append(op).append(']');
    } else if (!node.isEmpty()) {
      text.append(" [").append(op).append(op.isEmpty() ? "'" : " '").append(node).append("']");
    }
    if (!origin.isEmpty()) text.append(" (built at ").append(origin).append(')');
    return text.toString();
  }

  /** The exception of java.nio for an errno of Linux. */
  static FileSystemException fileError(int errno, String message) {
    switch (errno) {
      case 1: // EPERM
      case 13: // EACCES
        return new AccessDeniedException(message);
      case 2: // ENOENT
        return new NoSuchFileException(message);
      case 17: // EEXIST
        return new FileAlreadyExistsException(message);
      case 20: // ENOTDIR
        return new NotDirectoryException(message);
      default:
        return new FileSystemException(message);
    }
  }

  static WeftException of(ErrorCode code, String message, String node, String op, String origin, Throwable cause) {
    switch (code) {
      case CANCELLED:
        return new Cancelled(message, node, op, origin, cause);
      case INVALID_ARGUMENT:
        return new InvalidArgument(message, node, op, origin, cause);
      case DEADLINE_EXCEEDED:
        return new DeadlineExceeded(message, node, op, origin, cause);
      case NOT_FOUND:
        return new NotFound(message, node, op, origin, cause);
      case ALREADY_EXISTS:
        return new AlreadyExists(message, node, op, origin, cause);
      case RESOURCE_EXHAUSTED:
        return new ResourceExhausted(message, node, op, origin, cause);
      case FAILED_PRECONDITION:
        return new FailedPrecondition(message, node, op, origin, cause);
      case OUT_OF_RANGE:
        return new OutOfRange(message, node, op, origin, cause);
      case UNIMPLEMENTED:
        return new Unimplemented(message, node, op, origin, cause);
      case DATA_LOSS:
        return new DataLoss(message, node, op, origin, cause);
      default:
        return new WeftException(code, message, node, op, origin, cause);
    }
  }

  /** A run was cancelled. */
  public static final class Cancelled extends WeftException {
    private static final long serialVersionUID = 1;

    Cancelled(String message, String node, String op, String origin, Throwable cause) {
      super(ErrorCode.CANCELLED, message, node, op, origin, cause);
    }
  }

  /** An argument that cannot be right: a wrong shape, element type, attribute or name. */
  public static final class InvalidArgument extends WeftException {
    private static final long serialVersionUID = 1;

    InvalidArgument(String message, String node, String op, String origin, Throwable cause) {
      super(ErrorCode.INVALID_ARGUMENT, message, node, op, origin, cause);
    }
  }

  /** A run took longer than its timeout. */
  public static final class DeadlineExceeded extends WeftException {
    private static final long serialVersionUID = 1;

    DeadlineExceeded(String message, String node, String op, String origin, Throwable cause) {
      super(ErrorCode.DEADLINE_EXCEEDED, message, node, op, origin, cause);
    }
  }

  /** A file, operator, variable or value of that name is not there. */
  public static final class NotFound extends WeftException {
    private static final long serialVersionUID = 1;

    NotFound(String message, String node, String op, String origin, Throwable cause) {
      super(ErrorCode.NOT_FOUND, message, node, op, origin, cause);
    }
  }

  /** Another thing has the name. */
  public static final class AlreadyExists extends WeftException {
    private static final long serialVersionUID = 1;

    AlreadyExists(String message, String node, String op, String origin, Throwable cause) {
      super(ErrorCode.ALREADY_EXISTS, message, node, op, origin, cause);
    }
  }

  /** There is not enough memory, or a limit was reached. */
  public static final class ResourceExhausted extends WeftException {
    private static final long serialVersionUID = 1;

    ResourceExhausted(String message, String node, String op, String origin, Throwable cause) {
      super(ErrorCode.RESOURCE_EXHAUSTED, message, node, op, origin, cause);
    }
  }

  /** The object is not in the state that the call needs. */
  public static final class FailedPrecondition extends WeftException {
    private static final long serialVersionUID = 1;

    FailedPrecondition(String message, String node, String op, String origin, Throwable cause) {
      super(ErrorCode.FAILED_PRECONDITION, message, node, op, origin, cause);
    }
  }

  /** An index or number is past an end. */
  public static final class OutOfRange extends WeftException {
    private static final long serialVersionUID = 1;

    OutOfRange(String message, String node, String op, String origin, Throwable cause) {
      super(ErrorCode.OUT_OF_RANGE, message, node, op, origin, cause);
    }
  }

  /** This build cannot do it. */
  public static final class Unimplemented extends WeftException {
    private static final long serialVersionUID = 1;

    Unimplemented(String message, String node, String op, String origin, Throwable cause) {
      super(ErrorCode.UNIMPLEMENTED, message, node, op, origin, cause);
    }
  }

  /** A file is damaged. */
  public static final class DataLoss extends WeftException {
    private static final long serialVersionUID = 1;

    DataLoss(String message, String node, String op, String origin, Throwable cause) {
      super(ErrorCode.DATA_LOSS, message, node, op, origin, cause);
    }
  }
}
