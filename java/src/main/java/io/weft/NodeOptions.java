// What can be set at every node.
package io.weft;

/** What can be set at a node, through the methods of {@link Ops}. */
public class NodeOptions {
  final Attrs attrs = new Attrs();
  String name;

  NodeOptions() {}

  /**
   * Names the node; errors show the name.
   *
   * @param name a name that no other node of the graph has
   * @return this
   */
  public NodeOptions name(String name) {
    this.name = Check.notNull(name, "name");
    return this;
  }

  /**
   * The attributes that are set.
   *
   * @return such as "{axis=1, keepdims=0}"
   */
  @Override
  public String toString() {
    return attrs.toString();
  }
}
