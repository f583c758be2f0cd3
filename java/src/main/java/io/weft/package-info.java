/**
 * Builds, differentiates, trains, saves and serves dataflow graphs.
 *
 * <p>A {@link io.weft.Graph} is built from {@link io.weft.Value values}, with operators from {@link io.weft.Ops} and
 * layers from {@link io.weft.Layers}. A {@link io.weft.Session} holds the variables and runs parts of the graph on
 * {@link io.weft.Tensor tensors}.
 *
 * <p>Everything that holds native memory is {@link java.lang.AutoCloseable}: close it, best with try-with-resources.
 * {@link io.weft.Weft#scope} closes many
 * tensors at once. What is forgotten is freed when the garbage collector finds it; with the system property
 * {@code weft.leaks} set to {@code full}, the standard error then says where it was made, at the program's end also of
 * what is open. Objects may be closed in any order and from any thread. A closed object, used as a receiver or as an argument, gives an {@link java.lang.IllegalStateException}; null
 * gives a {@link java.lang.NullPointerException} that names the argument; a value of another graph, a wrong element type or
 * a shape that does not fit gives an {@link java.lang.IllegalArgumentException}; what the library refuses is a
 * {@link io.weft.WeftException}.
 *
 * <p>Any number of threads may run one session, and use one tensor that nobody writes to. One thread at a time adds to a
 * graph, uses a {@link io.weft.Prepared}, or takes from {@link io.weft.Batches}. A {@link io.weft.TensorScope} belongs to
 * its thread.
 *
 * <p>The native libraries are in the JAR; they are extracted once, into {@code weft/} below the system property
 * {@code weft.cache.dir}, the environment's {@code XDG_CACHE_HOME} or {@code ~/.cache}. The system property
 * {@code weft.native.dir} names a folder that has them already. From JDK 24 on, Java warns of native code unless it is
 * started with {@code --enable-native-access=ALL-UNNAMED}, or {@code =io.weft} where Weft is on the module path.
 */
package io.weft;
