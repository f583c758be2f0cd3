// Runs a pipeline of scikit-learn on numbers, names and texts: java -cp weft.jar examples/pipeline/Pipeline.java
import io.weft.*;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;

class Pipeline {
  public static void main(String[] args) {
    String[] texts = {
      "The password is not accepted since the update.",
      "Why is the invoice so high?",
      "An error shows up when I open the export."
    };
    try (Graph graph = Graph.load(Path.of("examples/exported/sklearn_text.onnx"));
        Session session = new Session(graph);
        // Each column of the table is an input by itself.
        Tensor months = Tensor.of(new float[] {4, 12, 26}, 3, 1);
        Tensor plan = Tensor.of(new String[] {"free", "team", "guest"}, 3, 1);
        Tensor text = Tensor.of(texts, 3, 1);
        Results results =
            session.run(
                Map.of(graph.find("months"), months, graph.find("plan"), plan, graph.find("text"), text),
                graph.outputs(),
                List.of())) {
      // A class for each row, and a map from all classes to their probabilities.
      String[] teams = results.get(0).toStringArray();
      List<Map<String, Float>> shares = results.get(1).toMaps(String.class, Float.class);
      for (int i = 0; i < teams.length; ++i) {
        System.out.print(teams[i] + ":");
        for (String name : List.of("billing", "fault", "login")) System.out.printf(" %s %.6f", name, shares.get(i).get(name));
        System.out.println();
      }
    }
  }
}
