// An input or output of an operator of the program's.
package io.weft;

/** An input or output of an {@link Operator}. */
public final class Formal {
  static final int ONE = 0;
  static final int OPTIONAL = 1;
  static final int VARIADIC = 2;

  private final String name;
  private final String type;
  private int form = ONE;
  private String doc = "";

  /**
   * One that is there once.
   *
   * @param name an identifier
   * @param type a type variable or dtype ("T", "i64"), or seq(...), optional(...) or map(..., ...) of such
   */
  public Formal(String name, String type) {
    this.name = Check.notNull(name, "name");
    this.type = Check.notNull(type, "type");
  }

  private Formal form(int form) {
    if (this.form != ONE && this.form != form) {
      throw new IllegalStateException("'" + name + "' cannot be both optional and variadic");
    }
    this.form = form;
    return this;
  }

  /**
   * Lets it be left out; those that may not be come first.
   *
   * @return this
   */
  public Formal optional() {
    return form(OPTIONAL);
  }

  /**
   * Lets it be there more often than once, all of one type; only the last one may.
   *
   * @return this
   */
  public Formal variadic() {
    return form(VARIADIC);
  }

  /**
   * Says what it is, for people.
   *
   * @param doc the text
   * @return this
   */
  public Formal doc(String doc) {
    this.doc = Check.notNull(doc, "doc");
    return this;
  }

  String name() {
    return name;
  }

  String type() {
    return type;
  }

  int form() {
    return form;
  }

  String doc() {
    return doc;
  }
}
